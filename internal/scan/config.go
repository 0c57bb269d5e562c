package scan

import (
	"bytes"
	"regexp"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// ParseConfig reads a redis.conf, or the output of CONFIG GET: by redis-cli in
// either form, or raw, a line for the name and a line for the value.
func ParseConfig(data []byte) map[string]string {
	known := map[string]bool{"maxmemory": true, "maxmemory-policy": true, "maxmemory-samples": true, "cluster-enabled": true}
	for _, s := range estimate.Settings() {
		known[s.Name] = true
		if s.Old != "" {
			known[s.Old] = true
		}
	}
	for _, name := range aggregate.AuditSettings() {
		known[name] = true
	}
	numbered := regexp.MustCompile(`^\s*\d+\)\s*`)
	options := make(map[string]string)
	pending := ""
	for _, raw := range bytes.Split(data, []byte("\n")) {
		line := strings.TrimSpace(numbered.ReplaceAllString(strings.TrimRight(string(raw), "\r"), ""))
		if pending != "" {
			options[pending] = strings.Trim(line, `"'`)
			pending = ""
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, " ")
		name = strings.ToLower(strings.Trim(name, `"'`))
		if !known[name] {
			continue
		}
		if found {
			options[name] = strings.Trim(strings.TrimSpace(value), `"'`)
		} else {
			pending = name
		}
	}
	return options
}
