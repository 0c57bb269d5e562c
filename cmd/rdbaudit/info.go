package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
)

// serverInfo is what the output of INFO says of a server's memory.
type serverInfo map[string]string

// readInfo reads the output of INFO, raw or as redis-cli prints it.
func readInfo(path string) (serverInfo, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError("--info %s: %s", path, errText(err))
	}
	info := parseInfo(data)
	if _, ok := info["used_memory"]; !ok {
		return nil, usageError("--info %s: no line used_memory: is it the output of INFO, or of INFO memory?", path)
	}
	return info, nil
}

func parseInfo(data []byte) serverInfo {
	info := make(serverInfo)
	for _, line := range bytes.Split(data, []byte("\n")) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), ":")
		if ok && !strings.HasPrefix(name, "#") {
			info[name] = value
		}
	}
	return info
}

func (s serverInfo) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(s[name], 10, 64)
	return n, err == nil
}

// infoFigures are the lines of INFO that explain what a dump cannot show, with
// what they are.
func infoFigures() [][2]string {
	return [][2]string{
		{"used_memory", "all that the allocator holds for the server"},
		{"used_memory_peak", "the most it was"},
		{"maxmemory", "the limit, 0 for none"},
		{"used_memory_startup", "an empty server"},
		{"mem_clients_normal", "buffers of clients"},
		{"mem_clients_slaves", "buffers of replicas"},
		{"mem_replication_backlog", "replication backlog"},
		{"mem_total_replication_buffers", "replication buffers in all"},
		{"mem_aof_buffer", "buffer of the append-only file"},
		{"mem_cluster_links", "buffers of the cluster bus"},
		{"used_memory_lua", "Lua engine"},
		{"used_memory_vm_total", "script and function engines"},
		{"used_memory_scripts", "cached scripts"},
		{"used_memory_functions", "functions"},
		{"mem_not_counted_for_evict", "left out when eviction looks at maxmemory"},
		{"used_memory_rss", "resident memory of the process"},
		{"mem_fragmentation_bytes", "resident memory above what is used: fragmentation and freed pages"},
	}
}

// table lists the figures that the INFO output has.
func (s serverInfo) table() aggregate.Table {
	t := aggregate.Table{Name: "info", Title: "What INFO said", Columns: []aggregate.Column{
		{Name: "figure", Kind: aggregate.Text, Doc: "its name in INFO"},
		{Name: "bytes", Kind: aggregate.Bytes, Doc: "its value"},
		{Name: "meaning", Kind: aggregate.Text, Doc: "what it is"},
	}}
	for _, f := range infoFigures() {
		if n, ok := s.number(f[0]); ok {
			t.Rows = append(t.Rows, []aggregate.Cell{{S: f[0]}, {I: n}, {S: f[1]}})
		}
	}
	return t
}
