package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
	"rdbaudit/fixtures/wire"
)

// planted builds a dump of Redis 7.2 with chosen problems in it. Its ctime is
// 1,700,000,000.
type planted struct{ b []byte }

const plantedTime = 1_700_000_000

func newPlanted() *planted {
	p := &planted{b: []byte("REDIS0011")}
	for _, aux := range [][2]string{{"redis-ver", "7.2.6"}, {"ctime", strconv.Itoa(plantedTime)}} {
		p.b = wire.AppendString(wire.AppendString(append(p.b, 0xfa), aux[0]), aux[1])
	}
	p.b = append(p.b, 0xfe, 0)
	return p
}

// key begins a key that expires ttl seconds after the dump, or never if ttl is 0.
func (p *planted) key(ttl int, typ byte, name string) {
	if ttl != 0 {
		ms := uint64(int64(plantedTime+ttl) * 1000)
		p.b = append(p.b, 0xfc)
		for i := range 8 {
			p.b = append(p.b, byte(ms>>(8*i)))
		}
	}
	p.b = wire.AppendString(append(p.b, typ), name)
}

func (p *planted) text(ttl int, name, value string) {
	p.key(ttl, 0, name)
	p.b = wire.AppendString(p.b, value)
}

// squeezed is a string that the server compressed: some bytes as they are, and
// so many copies of 264 bytes from 16 bytes before.
func (p *planted) squeezed(ttl int, name, plain string, copies int) {
	p.key(ttl, 0, name)
	var b []byte
	for rest := plain; len(rest) > 0; rest = rest[min(len(rest), 32):] {
		run := rest[:min(len(rest), 32)]
		b = append(append(b, byte(len(run)-1)), run...)
	}
	for range copies {
		b = append(b, 7<<5, 255, 15)
	}
	p.b = wire.AppendLen(append(p.b, 0xc3), uint64(len(b)))
	p.b = append(wire.AppendLen(p.b, uint64(len(plain)+264*copies)), b...)
}

func (p *planted) hash(name string, fields int, value func(i int) string) {
	p.key(0, 4, name)
	p.b = wire.AppendLen(p.b, uint64(fields))
	for i := range fields {
		p.b = wire.AppendString(wire.AppendString(p.b, fmt.Sprintf("field-%04d", i)), value(i))
	}
}

// packed is a hash that is a listpack; all its values are texts.
func (p *planted) packed(ttl int, name string, pairs ...string) {
	p.key(ttl, 16, name)
	b := wire.BeginListpack(nil)
	for _, s := range pairs {
		b = wire.AppendListpackString(b, s)
	}
	p.b = wire.AppendString(p.b, wire.EndListpack(b, 0, len(pairs)))
}

func (p *planted) bytes() []byte {
	b := append(p.b, 0xff)
	sum := wire.Checksum(0, b)
	for i := range 8 {
		b = append(b, byte(sum>>(8*i)))
	}
	return b
}

func (p *planted) write(t *testing.T, path string) { write(t, path, p.bytes()) }

// findings runs a report and gives its findings as kind and pattern.
func findings(t *testing.T, path string, args ...string) []string {
	out := good(t, append([]string{"report", "--format", "csv:findings", path}, args...)...)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	var list []string
	for _, r := range rows[1:] {
		require.NotEmpty(t, r[7], "evidence of %s", r[0])
		require.NotEmpty(t, r[9], "advice of %s", r[0])
		list = append(list, strings.TrimSpace(r[0]+" "+r[1]))
	}
	return list
}

// TestFindings plants one problem in each dump and wants exactly that finding.
func TestFindings(t *testing.T) {
	t.Chdir(t.TempDir())
	random := func(i int) string { return fmt.Sprintf("%x", uint64(i+1)*0x9e3779b97f4a7c15) }
	wellKept := func(p *planted) {
		for i := range 300 {
			p.text(3600+i, fmt.Sprintf("cache:item:%d", i), strings.Repeat(random(i), 4))
		}
	}
	for _, c := range []struct {
		name  string
		plant func(*planted)
		want  []string
		args  []string
	}{
		{"clean", func(*planted) {}, nil, nil},
		{"long value", func(p *planted) {
			for i := range 30 {
				p.hash(fmt.Sprintf("profile:%d", i), 40, func(k int) string {
					if k == 7 {
						return strings.Repeat("x", 80)
					}
					return random(k)
				})
			}
		}, []string{"compact-encoding-lost profile:{num}"}, nil},
		{"shrunk", func(p *planted) {
			for i := range 30 {
				p.hash(fmt.Sprintf("basket:%d", i), 40, random)
			}
		}, []string{"restart-packs"}, nil},
		{"json", func(p *planted) {
			for i := range 200 {
				b, _ := json.Marshal(map[string]any{"user_id": i, "created_at": 1700000000 + i, "visits": i * 7, "score": 1000 + i, "active": 1, "level": 3})
				p.text(7200, fmt.Sprintf("user:%d", i), string(b))
			}
		}, []string{"json-strings user:{num}"}, []string{"--json-values", "full"}},
		{"json beyond the limits", func(p *planted) {
			for i := range 400 {
				o := map[string]any{"text": strings.Repeat(random(i), 6)}
				for k := range 14 {
					o[fmt.Sprintf("number_%c", 'a'+k)] = 100*i + k
				}
				b, _ := json.Marshal(o)
				p.text(7200+31*i, fmt.Sprintf("post:%d", i), string(b))
			}
		}, []string{"json-strings post:{num}"}, nil},
		{"values that compress", func(p *planted) {
			for i := range 200 {
				p.squeezed(7200+31*i, fmt.Sprintf("page:%d", i), random(i)+"0123456789abcdef", 3)
			}
		}, []string{"compressible-values page:{num}"}, nil},
		{"values that compress a little", func(p *planted) {
			for i := range 200 {
				var b strings.Builder
				for k := range 64 {
					b.WriteString(random(64*i + k))
				}
				p.squeezed(7200+31*i, fmt.Sprintf("page:%d", i), b.String(), 1)
			}
		}, nil, nil},
		{"json in fields", func(p *planted) {
			for i := range 400 {
				p.hash(fmt.Sprintf("cart:%d", i), 6, func(k int) string {
					b, _ := json.Marshal(map[string]any{"item_number": random(i + k), "price": 1000 + i, "currency": "EUR", "added": 1700000000 + i, "count": k})
					return string(b)
				})
			}
		}, []string{"compact-encoding-lost cart:{num}", "json-fields cart:{num}"}, nil},
		{"long names of fields", func(p *planted) {
			for i := range 3000 {
				p.packed(7200+31*i, fmt.Sprintf("user:%d", i), "registration_timestamp", random(i)[:8], "preferred_language", "en", "last_login_address", random(i)[:6])
			}
		}, []string{"long-field-names user:{num}"}, nil},
		{"fields that are identifiers", func(p *planted) {
			for i := range 3000 {
				p.packed(7200+31*i, fmt.Sprintf("friends:%d", i), "user-"+random(3*i), "since 2020", "user-"+random(3*i+1), "since 2021", "user-"+random(3*i+2), "since 2022")
			}
		}, nil, nil},
		{"long names of keys", func(p *planted) {
			for i := range 3000 {
				p.text(7200+31*i, fmt.Sprintf("application:production:frontend:cart:%d", 7*i), random(i)+random(i+1))
			}
		}, []string{"long-key-names application:production:frontend:cart:{num}"}, nil},
		{"telling names of keys", func(p *planted) {
			for i := range 3000 {
				p.text(7200+31*i, fmt.Sprintf("cart:items:%d", 7*i), random(i)+random(i+1))
			}
		}, nil, nil},
		{"tiny strings", func(p *planted) {
			for i := range 3000 {
				p.text(0, fmt.Sprintf("photo:%d", 1000+i), random(i)[:8])
			}
		}, []string{"tiny-strings photo:{num}"}, nil},
		{"tiny strings that expire", func(p *planted) {
			for i := range 3000 {
				p.text(7200+31*i, fmt.Sprintf("photo:%d", 1000+i), random(i)[:8])
			}
		}, nil, nil},
		{"numbers as text", func(p *planted) {
			for i := range 3000 {
				p.text(7200+31*i, fmt.Sprintf("price:%d", i), fmt.Sprintf("%d.%02d0000", i, i%100))
			}
		}, []string{"numbers-as-text price:{num}"}, nil},
		{"texts with a few numbers", func(p *planted) {
			for i := range 3000 {
				p.text(7200+31*i, fmt.Sprintf("price:%d", i), []string{"19.90", "on request", "20"}[i%3])
			}
		}, nil, nil},
		{"forgotten", func(p *planted) {
			for i := range 20 {
				p.text(0, fmt.Sprintf("cache:item:%d", 1000+i), strings.Repeat(random(i), 4))
			}
		}, []string{"ttl-forgotten cache:item:{num}"}, nil},
		{"no ttl", func(p *planted) {
			for i := range 300 {
				p.text(0, fmt.Sprintf("archive:%d", i), strings.Repeat(random(i), 4))
			}
		}, []string{"no-ttl archive:{num}"}, nil},
		{"expired", func(p *planted) {
			for i := range 50 {
				p.text(-3600, fmt.Sprintf("cache:item:%d", 1000+i), strings.Repeat(random(i), 4))
			}
		}, []string{"expired-held"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlanted()
			wellKept(p)
			c.plant(p)
			p.write(t, "planted.rdb")
			got := findings(t, "planted.rdb", c.args...)
			switch c.name {
			case "long value", "shrunk", "json in fields", "tiny strings":
				// Without TTL, and most of the dump: that is said as well.
				got = without(got, "no-ttl")
			}
			require.Equal(t, c.want, got)
			if c.name == "json beyond the limits" {
				require.Contains(t, good(t, "report", "--format", "csv:findings", "planted.rdb"), "only worth it with hash-max-listpack-value 96 in redis.conf")
			}
		})
	}
}

func without(list []string, kind string) []string {
	var out []string
	for _, s := range list {
		if !strings.HasPrefix(s, kind) {
			out = append(out, s)
		}
	}
	return out
}

// TestFailOn holds rules and their exit status.
func TestFailOn(t *testing.T) {
	inDir(t, "redis-7.2.6-shop")
	const dump = "redis-7.2.6-shop.rdb"
	for _, c := range []struct {
		rule   string
		status int
	}{
		{"no-ttl-bytes(session:*) > 1GB", exitOK},
		{"no-ttl-bytes(session:*) > 10kb", exitRule},
		{"no_ttl_keys(session:{uuid}) == 136", exitRule},
		{"keys > 1890", exitRule},
		{"keys > 1891", exitOK},
		{"share(events:*) >= 50%", exitRule},
		{"max_bytes(product:*) < 24k", exitOK},
		{"keys(nothing:*) > 0", exitOK},
		{"keys", exitUsage},
		{"size(session:*) > 1", exitUsage},
		{"keys > many", exitUsage},
	} {
		r := rdbaudit("report", "-q", "--fail-on", c.rule, dump)
		require.Equal(t, c.status, r.status, c.rule)
		if c.status == exitRule {
			require.Contains(t, r.stderr, "rule broken: "+c.rule)
		}
		idle := "rule " + c.rule + ": no pattern is like nothing:*;"
		require.Equal(t, strings.Contains(c.rule, "nothing"), strings.Contains(r.stderr, idle), r.stderr)
	}
	cut := fixtures.Get(t, "redis-7.2.6-shop").Data
	write(t, "cut.rdb", cut[:len(cut)/2])
	r := rdbaudit("report", "-q", "--fail-on", "keys > 1", "cut.rdb")
	require.Equal(t, exitDamaged, r.status)
	require.Contains(t, r.stderr, "rule broken")
}

// TestExplain has a page for each kind of finding.
func TestExplain(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(good(t, "explain")), "\n") {
		page := good(t, "explain", strings.Fields(line)[0])
		require.Greater(t, len(page), 200)
		for _, l := range strings.Split(page, "\n") {
			require.LessOrEqual(t, len(l), 80, l)
		}
	}
	require.Equal(t, exitUsage, rdbaudit("explain", "nonsense").status)
}

// TestNoFindings: without findings all sums are the same.
func TestNoFindings(t *testing.T) {
	inDir(t, shop)
	for _, format := range []string{"csv", "csv:types", "csv:databases", "csv:largest"} {
		require.Equal(t, good(t, "report", "--format", format, shop+".rdb"), good(t, "report", "--no-findings", "--format", format, shop+".rdb"), format)
	}
	require.NotContains(t, good(t, "report", "--no-findings", shop+".rdb"), "FINDINGS")
}
