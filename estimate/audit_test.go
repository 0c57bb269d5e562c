package estimate_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/estimate"
	"rdbaudit/fixtures"
	"rdbaudit/rdbparse"
)

// TestAuditPacked holds what an audit says a table would take packed against
// what a real server, started with wider limits, did take for the same key.
func TestAuditPacked(t *testing.T) {
	checked := 0
	for _, truth := range fixtures.Truths(t) {
		if truth.Name != "redis-7.2.6-edges.wide" && truth.Name != "redis-7.2.6-shop.wide" {
			continue
		}
		rows := make(map[string]fixtures.Row)
		for _, row := range truth.Rows {
			rows[fmt.Sprint(row.DB, " ", string(row.Key))] = row
		}
		r, err := rdbparse.NewReader(bytes.NewReader(truth.Dump.Data))
		require.NoError(t, err)
		line, _, _ := estimate.Lookup(truth.Line)
		e := estimate.New(r, estimate.Config{Line: line, Loaded: true, Limits: estimate.DefaultLimits(), Audit: true})
		for {
			rec, err := e.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			row := rows[fmt.Sprint(rec.DB, " ", string(rec.Key))]
			table := rec.Encoding == estimate.Hashtable || rec.Encoding == estimate.Skiplist
			packed := row.LoadedEncoding == "listpack" || row.LoadedEncoding == "intset"
			require.Equal(t, table && rec.Elems <= 2048, audit(rec).Packed > 0, "%q", rec.Key)
			if !table || !packed {
				continue
			}
			want := row.LoadedBytes
			if row.ExpireMs >= 0 {
				want += 24 // the expires entry, which MEMORY USAGE leaves out
			}
			if row.Type == "set" && row.LoadedEncoding == "listpack" {
				// A set's listpack may have been created larger than it is now
				// (t_set.c setTypeConvertAndExpand); that is not foreseen.
				require.LessOrEqual(t, rec.Audit.Packed, want, "%q", rec.Key)
			} else {
				require.Equal(t, want, rec.Audit.Packed, "%q", rec.Key)
			}
			checked++
		}
	}
	require.Greater(t, checked, 200)
}

// TestAuditJSON holds the size of a hash in place of a JSON value against the
// size of that hash.
func TestAuditJSON(t *testing.T) {
	dump, _ := fixtures.Asm(t, `REDIS0011 fe00
		00 str("a") str("{\"name\":\"bob\",\"age\":41,\"tags\":[1,2],\"on\":true}")
		00 str("b") str("[1,2]")
		00 str("c") str("{not json}")
		00 str("d") str("{}")
		10 str("a") str(listpack("name" "bob" "age" 41 "tags" "[1,2]" "on" "true"))
		ff crc()`)
	line, _, _ := estimate.Lookup("redis-7.2")
	r, err := rdbparse.NewReader(bytes.NewReader(dump))
	require.NoError(t, err)
	e := estimate.New(r, estimate.Config{Line: line, Limits: estimate.DefaultLimits(), Audit: true, JSON: 1})
	var states []estimate.JSONState
	var asHash int64
	for {
		rec, err := e.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		states = append(states, audit(rec).JSON)
		if audit(rec).JSON == estimate.JSONObject {
			require.EqualValues(t, 4, rec.Audit.Fields)
			require.True(t, rec.Audit.AsHashPacked)
			asHash = rec.Audit.AsHash
		}
		if rec.Type == estimate.Hash {
			require.Equal(t, rec.Alloc, asHash)
		}
	}
	require.Equal(t, []estimate.JSONState{estimate.JSONObject, estimate.JSONNone, estimate.JSONNone, estimate.JSONNone, estimate.JSONUnseen}, states)
}
