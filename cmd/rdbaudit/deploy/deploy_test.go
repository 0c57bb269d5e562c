// Package deploy holds the files of this folder to what README.md says of them.
package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"rdbaudit/internal/source/fake"
)

// decode reads a document into the type of its kind, and refuses what that does
// not know.
func decode(doc []byte) (any, error) {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return nil, err
	}
	var v any
	switch head.APIVersion + " " + head.Kind {
	case "batch/v1 Job":
		v = &batchv1.Job{}
	case "batch/v1 CronJob":
		v = &batchv1.CronJob{}
	case "v1 ServiceAccount":
		v = &corev1.ServiceAccount{}
	default:
		return nil, fmt.Errorf("%s %s", head.APIVersion, head.Kind)
	}
	return v, yaml.UnmarshalStrict(doc, v)
}

func manifests(t *testing.T) map[string][]any {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	all := map[string][]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			v, err := decode(doc)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all[file] = append(all[file], v)
		}
	}
	return all
}

func spec(v any) *batchv1.JobSpec {
	switch v := v.(type) {
	case *batchv1.Job:
		return &v.Spec
	case *batchv1.CronJob:
		return &v.Spec.JobTemplate.Spec
	}
	return nil
}

// TestStrict: a field that is not there fails, so that the other tests can.
func TestStrict(t *testing.T) {
	manifests(t)
	text, err := os.ReadFile("parts-job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{{"backoffLimitPerIndex", "backoffLimitsPerIndex"}, {"runAsNonRoot", "runAsNoRoot"}, {"completions: 200", "completions: many"}} {
		if _, err := decode(bytes.Replace(text, []byte(wrong[0]), []byte(wrong[1]), 1)); err == nil {
			t.Errorf("%s is taken", wrong[1])
		}
	}
}

// TestPods: least rights, bounded memory, no second try of what will not get better.
func TestPods(t *testing.T) {
	accounts := map[string]bool{}
	for _, v := range manifests(t)["accounts.yaml"] {
		accounts[v.(*corev1.ServiceAccount).Name] = true
	}
	yes := func(b *bool) bool { return b != nil && *b }
	no := func(b *bool) bool { return b != nil && !*b }
	pods := 0
	for file, docs := range manifests(t) {
		for _, v := range docs {
			job := spec(v)
			if job == nil {
				continue
			}
			pods++
			pod := &job.Template.Spec
			c := &pod.Containers[0]
			for what, ok := range map[string]bool{
				"restart":       pod.RestartPolicy == corev1.RestartPolicyNever,
				"account":       accounts[pod.ServiceAccountName],
				"token":         no(pod.AutomountServiceAccountToken),
				"not root":      yes(pod.SecurityContext.RunAsNonRoot) && *pod.SecurityContext.RunAsUser > 0,
				"seccomp":       pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
				"one container": len(pod.Containers) == 1 && len(pod.InitContainers) == 0 && len(pod.Volumes) == 0 && !pod.HostNetwork && !pod.HostPID,
				"privileges":    no(c.SecurityContext.AllowPrivilegeEscalation) && !yes(c.SecurityContext.Privileged),
				"disk":          yes(c.SecurityContext.ReadOnlyRootFilesystem),
				"capabilities":  len(c.SecurityContext.Capabilities.Drop) == 1 && c.SecurityContext.Capabilities.Drop[0] == "ALL" && len(c.SecurityContext.Capabilities.Add) == 0,
				"memory":        c.Resources.Limits.Memory().Cmp(resource.MustParse("192Mi")) > 0 && !c.Resources.Requests.Memory().IsZero(),
				"deadline":      job.ActiveDeadlineSeconds != nil,
				"image":         !strings.HasSuffix(c.Image, ":latest") && strings.Contains(c.Image, ":"),
			} {
				if !ok {
					t.Errorf("%s: %s", file, what)
				}
			}
			rule := job.PodFailurePolicy.Rules[0]
			if got := fmt.Sprint(rule.OnExitCodes.Values); got != "[1 2 3 4]" || *rule.OnExitCodes.ContainerName != c.Name || rule.Action == batchv1.PodFailurePolicyActionCount {
				t.Errorf("%s: statuses %s: %s", file, got, rule.Action)
			}
			if r := job.PodFailurePolicy.Rules[1]; r.Action != batchv1.PodFailurePolicyActionIgnore || r.OnPodConditions[0].Type != corev1.DisruptionTarget {
				t.Errorf("%s: a node that goes away counts as a failure", file)
			}
		}
	}
	if pods != 3 {
		t.Errorf("%d pods", pods)
	}
	parts := manifests(t)["parts-job.yaml"][0].(*batchv1.Job).Spec
	if *parts.CompletionMode != batchv1.IndexedCompletion || parts.BackoffLimitPerIndex == nil || parts.MaxFailedIndexes == nil || parts.PodFailurePolicy.Rules[0].Action != batchv1.PodFailurePolicyActionFailIndex {
		t.Error("parts-job.yaml is no Job with an index a dump")
	}
}

// TestRights: who reads dumps writes parts alone, who merges reads parts alone.
func TestRights(t *testing.T) {
	for file, want := range map[string]string{
		"aws-parts.json": "s3:GetObject backups/*; s3:ListBucket backups; s3:PutObject backups-audit/parts/*; s3:AbortMultipartUpload backups-audit/parts/*; ",
		"aws-merge.json": "s3:GetObject backups-audit/parts/*; s3:ListBucket backups-audit; s3:PutObject backups-audit/reports/*; s3:AbortMultipartUpload backups-audit/reports/*; ",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var policy struct {
			Version   string
			Statement []struct {
				Sid, Effect      string
				Action, Resource []string
				Condition        map[string]any
			}
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&policy); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		got := ""
		for _, s := range policy.Statement {
			for _, a := range s.Action {
				for _, r := range s.Resource {
					if s.Effect != "Allow" {
						t.Errorf("%s: %s", file, s.Effect)
					}
					got += a + " " + strings.TrimPrefix(r, "arn:aws:s3:::") + "; "
				}
			}
		}
		if got != want {
			t.Errorf("%s:\n%s\nnot\n%s", file, got, want)
		}
	}
}

// TestRehearsal runs what the containers would, index by index, on a stand-in
// for the store, and compares the report with that of one pass.
func TestRehearsal(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "rdbaudit")
	build := exec.Command("go", "build", "-o", bin, "./cmd/rdbaudit")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	store := fake.New(false)
	defer store.Close()
	env := os.Environ()
	for k, v := range store.Env() {
		env = append(env, k+"="+v)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Env, cmd.Dir = env, dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("%q: status %d, not %d\n%s", args, got, want, stderr.String())
		}
		return string(out)
	}
	dumps, err := filepath.Glob("../../../fixtures/truth/*.rdb*")
	if err != nil || len(dumps) < 5 {
		t.Fatal(dumps, err)
	}
	dumps = dumps[:5]
	for i, path := range dumps {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 { // cut: what is left of it counts
			data = data[:2*len(data)/3]
		}
		store.Put(fmt.Sprintf("backups/2026-11-22/shard-%d.rdb.gz", i), data) // known by their first bytes, whatever the name
	}
	all := manifests(t)
	parts, merge := spec(all["parts-job.yaml"][0]), spec(all["merge-job.yaml"][0])
	store.Put("backups-audit/x", nil)
	expand := regexp.MustCompile(`\$\(INDEX\)`)
	for i := range dumps {
		var args []string
		for _, a := range parts.Template.Spec.Containers[0].Args {
			args = append(args, expand.ReplaceAllString(a, fmt.Sprint(i)))
		}
		status := 0
		if i == 3 {
			status = 3
		}
		run(status, args...)
	}
	run(3, merge.Template.Spec.Containers[0].Args...)
	run(3, "report", "--quiet", "s3://backups/2026-11-22/", "-o", "one.json", "-o", "one.html")
	for name, at := range map[string]string{"one.json": "fleet.json", "one.html": "fleet.html"} {
		one, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, store.Get("backups-audit/reports/2026-11-22/"+at)) {
			t.Errorf("%s of the parts is not %s of one pass", at, name)
		}
	}
}

// TestUnits: systemd reads the units without complaint.
func TestUnits(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze")
	}
	dir := t.TempDir()
	for _, name := range []string{"rdbaudit.service", "rdbaudit.timer"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("/usr/local/bin/rdbaudit"), []byte("/bin/true"), 1) // a program that is there
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(tool, "verify", filepath.Join(dir, "rdbaudit.service"), filepath.Join(dir, "rdbaudit.timer")).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("rdbaudit")) {
		t.Errorf("%v\n%s", err, out)
	}
}
