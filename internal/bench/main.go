// Command bench measures rdbaudit against a peer on dumps that it makes, so
// that anybody can repeat the README's figures:
//
//	go run ./internal/bench
//
// It builds rdbaudit and github.com/hdt3213/rdb (by explicit version, outside
// go.mod), runs them in turn on each dump and prints whole-process figures:
// wall and CPU seconds, peak memory, and the ratio pair by pair. With -profile
// it makes the profile that the compiler gets instead.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"rdbaudit/rdbparse"
)

const peer = "github.com/hdt3213/rdb@v1.3.2"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "rdbaudit-bench"), "where the dumps and programs are kept; NAME.rdb there is used as it is")
	runs := flag.Int("runs", 3, "pairs of runs on each dump")
	only := flag.String("only", "small,mixed,big", "which dumps")
	profileTo := flag.String("profile", "", "measure nothing, but write a profile of reports of these dumps to this file: cmd/rdbaudit/default.pgo")
	flag.Parse()
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	var dumps []string
	for _, name := range strings.Split(*only, ",") {
		dump := filepath.Join(*dir, name+".rdb")
		if _, err := os.Stat(dump); err != nil {
			if err := command("go", "run", "./fixtures/gen", "--kind", name, "-o", dump).Run(); err != nil {
				return fmt.Errorf("making %s: %w", dump, err)
			}
		}
		dumps = append(dumps, dump)
	}
	if *profileTo != "" {
		return profile(*profileTo, dumps)
	}
	ours, theirs := filepath.Join(*dir, "rdbaudit-built"), filepath.Join(*dir, "rdb")
	if err := command("go", "build", "-trimpath", "-o", ours, "./cmd/rdbaudit").Run(); err != nil {
		return fmt.Errorf("building rdbaudit: %w", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		if err := buildPeer(*dir, theirs); err != nil {
			return fmt.Errorf("building the peer: %w", err)
		}
	}
	fmt.Printf("%s, %d processors, %s; rdbaudit against %s\n\n", runtime.GOARCH, runtime.NumCPU(), runtime.Version(), peer)
	fmt.Println("| dump | bytes | what | ours wall | ours cpu | ours peak | peer wall | peer peak | ratio |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for i, name := range strings.Split(*only, ",") {
		if err := pairs(name, dumps[i], *dir, ours, theirs, *runs); err != nil {
			return err
		}
	}
	return nil
}

// buildPeer builds the peer in a module of its own, so that ours stays lean.
func buildPeer(dir, to string) error {
	module := filepath.Join(dir, "peer")
	if err := os.MkdirAll(module, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module peer\n"), 0o644); err != nil {
		return err
	}
	path, _, _ := strings.Cut(peer, "@")
	for _, args := range [][]string{{"get", peer}, {"build", "-o", to, path}} {
		c := command("go", args...)
		c.Dir, c.Stderr = module, nil
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Stderr = os.Stderr
	return c
}

// figures are of one process.
type figures struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

func measure(name string, args ...string) (figures, error) {
	c := command(name, args...)
	begun := time.Now()
	if err := c.Run(); err != nil {
		return figures{}, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return figures{time.Since(begun), c.ProcessState.UserTime() + c.ProcessState.SystemTime(), peakOf(c.ProcessState)}, nil
}

// pairs runs the two in turn and prints a row for each thing measured.
func pairs(name, dump, dir, ours, theirs string, runs int) error {
	st, err := os.Stat(dump)
	if err != nil {
		return err
	}
	if err := sumOnly(dump); err != nil { // so that it lies in memory for the first of them as for the last
		return err
	}
	html, csv, peerCSV := filepath.Join(dir, "out.html"), filepath.Join(dir, "out.csv"), filepath.Join(dir, "peer.csv")
	for _, what := range []struct {
		name string
		args []string
		peer bool
	}{
		{"report, HTML written", []string{"report", "--quiet", "-o", html, dump}, true},
		{"report --no-findings", []string{"report", "--quiet", "--no-findings", "-o", html, dump}, true},
		{"keys as CSV", []string{"keys", "-o", csv, dump}, true},
		{"verify", []string{"verify", dump}, false},
	} {
		var a, b []figures
		var ratios []float64
		for range runs {
			// Each writes new files: to replace one of hundreds of MB, a file
			// system may first put on the disk what takes its place.
			for _, path := range []string{html, csv, peerCSV} {
				if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			f, err := measure(ours, what.args...)
			if err != nil {
				return err
			}
			a = append(a, f)
			if !what.peer {
				continue
			}
			g, err := measure(theirs, "-c", "memory", "-o", peerCSV, dump)
			if err != nil {
				return err
			}
			b = append(b, g)
			ratios = append(ratios, g.wall.Seconds()/f.wall.Seconds())
		}
		mine := median(a)
		row := fmt.Sprintf("| %s | %d | %s | %.2f s | %.2f s | %d MiB |", name, st.Size(), what.name, mine.wall.Seconds(), mine.cpu.Seconds(), mine.peak>>20)
		if what.peer {
			slices.Sort(ratios)
			other := median(b)
			row += fmt.Sprintf(" %.2f s | %d MiB | %.1f x (%.1f to %.1f) |", other.wall.Seconds(), other.peak>>20, ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
		} else {
			scan, sum, err := bare(dump, runs)
			if err != nil {
				return err
			}
			slower := max(scan, sum)
			row += fmt.Sprintf(" scan %.2f s, checksum %.2f s | | %.2f x the slower |", scan.Seconds(), sum.Seconds(), mine.wall.Seconds()/slower.Seconds())
		}
		fmt.Println(row)
	}
	return nil
}

func median(f []figures) figures {
	f = slices.Clone(f)
	slices.SortFunc(f, func(a, b figures) int { return int(a.wall - b.wall) })
	m := f[len(f)/2]
	for _, x := range f {
		m.peak = max(m.peak, x.peak)
	}
	return m
}

// bare measures the two halves of verify alone: walking all records without
// the checksum, and reading and summing the bytes. Each is the median of runs.
func bare(dump string, runs int) (scan, sum time.Duration, err error) {
	var scans, sums []time.Duration
	for range runs {
		begun := time.Now()
		if err := scanOnly(dump); err != nil {
			return 0, 0, err
		}
		scans = append(scans, time.Since(begun))
		begun = time.Now()
		if err := sumOnly(dump); err != nil {
			return 0, 0, err
		}
		sums = append(sums, time.Since(begun))
	}
	slices.Sort(scans)
	slices.Sort(sums)
	return scans[len(scans)/2], sums[len(sums)/2], nil
}

func scanOnly(dump string) error {
	f, err := os.Open(dump)
	if err != nil {
		return err
	}
	defer f.Close()
	a := rdbparse.ReadAhead(f, true)
	defer a.Close()
	r, err := rdbparse.NewReader(a)
	if err != nil {
		return err
	}
	r.SkipChecksum = true
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func sumOnly(dump string) error {
	f, err := os.Open(dump)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 512<<10)
	crc := uint64(0)
	for {
		n, err := f.Read(buf)
		crc = rdbparse.Checksum(crc, buf[:n])
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
