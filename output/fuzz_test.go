package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"testing"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// FuzzKeyRows: whatever a key's name and its dump's are, a row of CSV and one of
// NDJSON are one row, of as many fields as the head has, from which the name
// comes back to the byte, and none of them starts a formula.
func FuzzKeyRows(f *testing.F) {
	for _, s := range []string{"plain", "=1+1", "a,\"b\";\tc", "\xff\n\r\x1b[2J", "@x", "-cmd|x", "-", "\u202eabc", ""} {
		f.Add([]byte(s), s, int64(5))
	}
	f.Fuzz(func(t *testing.T, key []byte, source string, n int64) {
		p, err := aggregate.NewPatterner(&aggregate.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rec := &estimate.Record{Key: key, Module: "m", Type: estimate.Type(uint64(n) % uint64(estimate.NumTypes)), Size: n, Expiry: n, Idle: -1, Freq: -1, Slot: -1}
		pattern := p.Append(nil, key)
		for _, format := range []string{"csv", "ndjson"} {
			var b bytes.Buffer
			w, err := NewKeyWriter(&b, KeyOptions{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := w.Add(rec, pattern, "", source); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			var name string
			if format == "csv" {
				rows, err := csv.NewReader(&b).ReadAll()
				if err != nil || len(rows) != 3 || len(rows[1]) != len(rows[0]) {
					t.Fatalf("%q: %q, %v", key, rows, err)
				}
				for i, field := range rows[1] {
					if rows[0][i] == "key" {
						name = field
					}
					if field != "" && (field[0] == '=' || field[0] == '+' || field[0] == '@' || field[0] == '-' && len(field) > 1 && field[1]-'0' > 9) {
						t.Fatalf("%q of %q starts a formula", field, rows[0][i])
					}
				}
			} else {
				if lines := bytes.Count(b.Bytes(), []byte("\n")); lines != 2 {
					t.Fatalf("%q: %d lines", key, lines)
				}
				var row struct{ Key string }
				if err := json.NewDecoder(&b).Decode(&row); err != nil {
					t.Fatalf("%q: %v", key, err)
				}
				name = row.Key
			}
			if back, err := aggregate.Unescape(name); err != nil || !bytes.Equal(back, key) {
				t.Fatalf("%s: %q became %q, %v", format, key, name, err)
			}
		}
	})
}
