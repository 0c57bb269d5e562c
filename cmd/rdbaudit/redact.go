package main

import (
	"crypto/rand"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"rdbaudit/aggregate"
	"rdbaudit/output"
)

// redactFlags hide names.
type redactFlags struct {
	on   bool
	text string // as given: the key, or @FILE
	key  []byte
}

func (f *redactFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.on, "redact", false, "hash names of keys, so that it can be shared; separators, classes of identifiers and figures stay")
	fs.StringVar(&f.text, "redact-key", "", "the key of these hashes, or @FILE that holds it: under the same key a name has the same hash (implies --redact; default: a random key)")
}

// check reads the key, or draws one.
func (f *redactFlags) check() error {
	if f.text == "" {
		if f.on {
			f.key = make([]byte, 32)
			rand.Read(f.key) // never fails
		}
		return nil
	}
	f.on, f.key = true, []byte(f.text)
	if path, ok := strings.CutPrefix(f.text, "@"); ok {
		data, err := os.ReadFile(path)
		if err != nil {
			return usageError("--redact-key %s: %s", f.text, errText(err))
		}
		f.key = []byte(strings.TrimRight(string(data), "\r\n"))
	}
	if len(f.key) < 8 {
		return usageError("--redact-key: a key of less than 8 bytes can be guessed")
	}
	return nil
}

// redactor hides names that were cut under these options; nil if nobody asked.
func (f *redactFlags) redactor(o *aggregate.Options) (*output.Redactor, error) {
	if !f.on {
		return nil, nil
	}
	return output.NewRedactor(f.key, o)
}
