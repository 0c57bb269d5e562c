package main

import (
	"maps"
	"strings"
	"testing"

	"rdbaudit/estimate"
)

// FuzzConfig: what is read of a redis.conf is the same when it is written again
// as a file, and as what CONFIG GET answers; limits that are taken are none
// below zero, and taking them again changes nothing.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("maxmemory 2gb\nhash-max-listpack-entries 16\n# no\nlist-max-ziplist-size -2\n"))
	f.Add([]byte("1) \"maxmemory\"\n2) \"100mb\"\n3) \"maxmemory-policy\"\n4) \"allkeys-lru\"\n"))
	f.Add([]byte("set-max-intset-entries\r\n512\r\nstream-node-max-bytes\r\n4kb\r\n"))
	f.Add([]byte("hash-max-listpack-value 99999999999999gb\ncluster-enabled yes"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := parseConfig(data)
		var file, raw strings.Builder
		simple := map[string]string{}
		for name, value := range got {
			if strings.TrimSpace(value) == value && value != "" && !strings.ContainsAny(value, "\"'#)\r\n\t ") {
				simple[name] = value
				file.WriteString(name + " " + value + "\n")
				raw.WriteString(name + "\n" + value + "\n")
			}
		}
		if again := parseConfig([]byte(file.String())); !maps.Equal(again, simple) {
			t.Fatalf("%q as a file: %q", simple, again)
		}
		if again := parseConfig([]byte(raw.String())); !maps.Equal(again, simple) {
			t.Fatalf("%q as an answer: %q", simple, again)
		}
		c := estimate.Config{Limits: estimate.DefaultLimits()}
		if c.SetOptions(got) != nil {
			return
		}
		for _, s := range estimate.Settings() {
			if v := *s.Field(&c.Limits); v < 0 && s.Name != "list-max-listpack-size" {
				t.Fatalf("%s is %d", s.Name, v)
			}
		}
	})
}

// FuzzInfo: a line is a name and a value, and nothing of another line.
func FuzzInfo(f *testing.F) {
	f.Add([]byte("# Memory\r\nused_memory:1048576\r\nmaxmemory:0\r\n"))
	f.Add([]byte("used_memory:-1\nused_memory_rss:99999999999999999999\n:::\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info := parseInfo(data)
		lines := string(data)
		for name, value := range info {
			if strings.ContainsAny(name+value, "\n") || !strings.Contains(lines, name+":"+value) {
				t.Fatalf("%q is %q", name, value)
			}
		}
		for _, row := range info.table().Rows {
			if _, ok := info.number(row[0].S); !ok {
				t.Fatalf("%v", row)
			}
		}
	})
}

// FuzzRules: a line of a rules file is taken or refused in words that name its
// place and hold no control characters; what is taken says the same when it is
// written again.
func FuzzRules(f *testing.F) {
	for _, line := range []string{"pattern session:<id>:cart owner checkout", "pattern * owner a b", "fail no-ttl-bytes(session:*) > 1GB", "fail keys > 10%", "# x", "owner", "pattern '", `pattern \x20a`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "\n") {
			return
		}
		s := &ruleSet{}
		if err := s.line("file:7", line, nil); err != nil {
			if msg := err.Error(); !strings.HasPrefix(msg, "file:7") || strings.ContainsAny(msg, "\x00\x1b\r") {
				t.Fatalf("%q: %q", line, msg)
			}
			return
		}
		again := &ruleSet{}
		for i, p := range s.patterns {
			text := "pattern " + p
			if s.owners[i] != "" {
				text += " owner " + s.owners[i]
			}
			if err := again.line("again:1", text, nil); err != nil || again.patterns[0] != p || again.owners[0] != s.owners[i] {
				t.Fatalf("%q: %+v, %v", line, *again, err)
			}
		}
		for _, r := range s.fails {
			back, err := parseRule("again", r.text)
			if err != nil || back.metric != r.metric || back.pattern != r.pattern || back.op != r.op || back.value != r.value {
				t.Fatalf("%q: %+v, %v", line, back, err)
			}
		}
	})
}
