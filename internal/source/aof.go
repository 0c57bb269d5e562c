package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxManifest bounds what is read of a manifest: servers write a line for
// each file, of at most 1024 bytes (aof.c@redis-7.2.6 MANIFEST_MAX_LINE).
const maxManifest = 1 << 20

// manifest is what lists the files of an AOF in several parts, Redis 7.0 and
// later: a base, the increments since, and history that nobody needs
// (aof.c@redis-7.2.6 aofLoadManifestFromFile).
type manifest struct {
	base       string
	increments []string
	names      []string // all of them
}

func parseManifest(data []byte) (*manifest, error) {
	m := &manifest{}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		words, err := splitQuoted(line)
		if len(m.names) == 0 && (len(words) == 0 || words[0] != "file") && !strings.Contains(line, "file ") {
			return m, errNoManifest
		}
		if err != nil || len(words)%2 != 0 {
			return m, fmt.Errorf("line %d is not one of an AOF manifest", n)
		}
		var name, kind string
		for i := 0; i < len(words); i += 2 { // pairs in any order, unknown ones are let pass
			switch words[i] {
			case "file":
				name = words[i+1]
			case "type":
				kind = words[i+1]
			}
		}
		if name == "" || strings.ContainsAny(name, `/\`) || name == ".." {
			return m, fmt.Errorf("line %d of the AOF manifest names no file of its directory", n)
		}
		m.names = append(m.names, name)
		switch kind {
		case "b":
			if m.base != "" {
				return m, fmt.Errorf("line %d of the AOF manifest names a second base file", n)
			}
			m.base = name
		case "i":
			m.increments = append(m.increments, name)
		}
	}
	return m, nil
}

// errNoManifest: other programs write manifests too.
var errNoManifest = errors.New("not the manifest of an AOF")

const noPreamble = "commands only, no RDB in front: CONFIG SET aof-use-rdb-preamble yes and BGREWRITEAOF give one, or BGSAVE a dump"

// check says why there is nothing to read.
func (m *manifest) check() error {
	switch {
	case len(m.names) == 0:
		return errNoManifest
	case m.base == "":
		return errors.New("an AOF without a base file yet; BGREWRITEAOF makes one, or BGSAVE a dump")
	}
	return nil
}

// later sums what the increments hold.
func (m *manifest) later(size func(name string) int64) int64 {
	n := int64(0)
	for _, name := range m.increments {
		n += size(name)
	}
	return n
}

// splitQuoted splits a line at blanks, as the server does: a name may stand in
// double quotes, with escapes.
func splitQuoted(line string) ([]string, error) {
	var words []string
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		end := strings.IndexAny(line, " \t")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, err
			}
			word, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			words, line = append(words, word), line[len(quoted):]
			continue
		}
		if end < 0 {
			end = len(line)
		}
		words, line = append(words, line[:end]), line[end:]
	}
	return words, nil
}
