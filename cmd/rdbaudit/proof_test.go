package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rdbaudit/fixtures"
)

// TestPredictions follows the advice of findings on a real server and holds
// what they promised against what its used_memory then says. Before and after
// it is restarted, so that neither figure has a past.
func TestPredictions(t *testing.T) {
	// Texts that depend on a number and do not compress.
	const text = `local function text(i, n)
		local s = ''
		local x = (i * 7919 + 12345) % 2147483647
		while #s < n do
			x = (x * 16807) % 2147483647
			s = s .. string.format('%08x', x)
		end
		return string.sub(s, 1, n)
	end
	`
	for _, c := range []struct {
		name    string
		fill    string // in Lua: plants the problem
		finding string // kind and pattern
		follow  string // in Lua: does what the finding says; nothing if settings alone do
		flags   []string
	}{
		{
			"JSON to hashes",
			`for i = 1, 30000 do
				redis.call('SET', 'user:' .. i, cjson.encode({name = text(i, 5 + i % 9), email = text(i, 8) .. '@example.org', age = 18 + i % 60,
					visits = i * 7, city = text(i % 50, 4 + i % 11), active = (i % 3 == 0)}))
			end`,
			"json-strings user:{num}",
			`for i = 1, 30000 do
				local key = 'user:' .. i
				local o = cjson.decode(redis.call('GET', key))
				redis.call('DEL', key)
				for f, v in pairs(o) do redis.call('HSET', key, f, tostring(v)) end
			end`, nil,
		},
		{
			"JSON to hashes beyond the limits",
			`for i = 1, 8000 do
				local o = {text = text(i, 80 + i % 20)}
				for k = 1, 15 do o['number_' .. k] = i * 7 + k end
				redis.call('SET', 'post:' .. i, cjson.encode(o))
			end`,
			"json-strings post:{num}",
			`for i = 1, 8000 do
				local key = 'post:' .. i
				local o = cjson.decode(redis.call('GET', key))
				redis.call('DEL', key)
				for f, v in pairs(o) do redis.call('HSET', key, f, tostring(v)) end
			end`, nil,
		},
		{
			"JSON in fields",
			`for i = 1, 4000 do
				for k = 1, 6 do
					redis.call('HSET', 'cart:' .. i, 'item' .. k, cjson.encode({sku = text(i + k, 12), title = text(k, 20), price = i % 1000 + k, count = k, added = 1700000000 + i}))
				end
			end`,
			"json-fields cart:{num}",
			`for i = 1, 4000 do
				local key = 'cart:' .. i
				local all = redis.call('HGETALL', key)
				redis.call('DEL', key)
				for n = 1, #all, 2 do
					for f, v in pairs(cjson.decode(all[n + 1])) do redis.call('HSET', key, all[n] .. '.' .. f, tostring(v)) end
				end
			end`, nil,
		},
		{
			"JSON in one large hash",
			`for i = 1, 40000 do
				local o = {name = text(i, 5 + i % 9)}
				for k = 1, 12 + i * 7 % 8 do o['t' .. k] = tostring(1700000000 + i * k) .. '000' end
				redis.call('HSET', 'users', 'u' .. i, cjson.encode(o))
				if i % 10 == 0 then redis.call('HSET', 'users', 'note' .. i, text(i, i % 200)) end
			end`,
			"json-fields users",
			`local all = redis.call('HGETALL', 'users')
			redis.call('DEL', 'users')
			for n = 1, #all, 2 do
				if string.sub(all[n + 1], 1, 1) == '{' then
					for f, v in pairs(cjson.decode(all[n + 1])) do redis.call('HSET', 'users:' .. all[n], f, tostring(v)) end
				else
					redis.call('HSET', 'users', all[n], all[n + 1])
				end
			end`, nil,
		},
		{
			"limit of hash values",
			`for i = 1, 2000 do
				for k = 1, 30 do redis.call('HSET', 'profile:' .. i, 'field' .. k, text(i + k, k == 7 and 70 + i % 20 or 6 + k % 9)) end
			end`,
			"compact-encoding-lost profile:{num}", "", nil,
		},
		{
			"limit of set and sorted set entries",
			`for i = 1, 600 do
				for k = 1, 140 + i % 60 do redis.call('ZADD', 'board:' .. i, k * 17 + i % 5, text(i + k, 8 + k % 5)) end
			end`,
			"compact-encoding-lost board:{num}", "", nil,
		},
		{
			"shorter prefix",
			`for i = 1, 60000 do redis.call('SET', 'application:production:frontend:cart:' .. i * 37, text(i, 20 + i % 30)) end`,
			"long-key-names application:production:frontend:cart:{num}",
			`for i = 1, 60000 do redis.call('RENAME', 'application:production:frontend:cart:' .. i * 37, 'c:' .. i * 37) end`, nil,
		},
		{
			"strings to hashes, identifiers in a row",
			`for i = 1, 120000 do redis.call('SET', 'photo:owner:' .. 100000 + i, i * 7919 % 5000000) end
			for i = 1, 5000 do redis.call('SET', 'rest:' .. text(i, 12), text(i, 200), 'EX', 1000000) end`,
			"tiny-strings photo:owner:{num}",
			`for i = 1, 120000 do
				local id = 100000 + i
				local key = 'photo:owner:' .. id
				redis.call('HSET', 'photo:owner:' .. math.floor(id / 100), string.format('%d', id % 100), redis.call('GET', key))
				redis.call('DEL', key)
			end`, nil,
		},
		{
			"strings to hashes, identifiers at random",
			`for i = 1, 100000 do redis.call('SET', 'short:' .. text(i, 8), text(i + 5, 4 + i % 20)) end`,
			"tiny-strings short:{hex}",
			// The keys that are no {hex} by their form stay; any hash will do.
			`for i = 1, 100000 do
				local id = text(i, 8)
				local key = 'short:' .. id
				if string.find(id, '%d') and string.find(id, '%a') then
					local sum = tonumber(string.sub(redis.sha1hex(id), 1, 8), 16)
					local v = redis.call('GET', key)
					redis.call('DEL', key)
					redis.call('HSET', 'short:h' .. sum % BUCKETS, id, v)
				end
			end`, nil,
		},
		{
			"short names of fields",
			`for i = 1, 30000 do
				redis.call('HSET', 'account:' .. i, 'first_name', text(i, 6), 'last_name', text(i + 1, 8), 'registration_timestamp', 1700000000 + i, 'preferred_language', 'en',
					'number_of_logins', i % 977, 'last_login_address', text(i, 8), 'subscription_level', i % 4)
			end`,
			"long-field-names account:{num}",
			`for i = 1, 30000 do
				local key = 'account:' .. i
				local all = redis.call('HGETALL', key)
				redis.call('DEL', key)
				for n = 1, #all, 2 do redis.call('HSET', key, 'f' .. (n - 1) / 2, all[n + 1]) end
			end`, nil,
		},
		{
			"short names of fields in tables",
			`for i = 1, 3000 do
				redis.call('HSET', 'document:' .. i, 'document_title_in_english', text(i, 30), 'document_author_full_name', text(i + 1, 18), 'document_body_as_plain_text', text(i, 180 + i % 30))
			end`,
			"long-field-names document:{num}",
			`for i = 1, 3000 do
				local key = 'document:' .. i
				local all = redis.call('HGETALL', key)
				redis.call('DEL', key)
				for n = 1, #all, 2 do redis.call('HSET', key, 'f' .. (n - 1) / 2, all[n + 1]) end
			end`, nil,
		},
		{
			"numbers as text",
			`for i = 1, 60000 do redis.call('SET', 'price:' .. i, string.format('%d.%02d0000', i % 5000 + 100, i % 100)) end`,
			"numbers-as-text price:{num}",
			`for i = 1, 60000 do redis.call('SET', 'price:' .. i, string.format('%.0f', redis.call('GET', 'price:' .. i) * 1000000)) end`, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fixtures.StartServer(t, nil)
			flags := []string{"--as", "loaded"}
			if strings.Contains(fmt.Sprint(s.Do("MEMORY", "MALLOC-STATS")), "Quantum size: 16") {
				flags = append(flags, "--allocator", "jemalloc-q16")
			}
			s.Do("EVAL", text+c.fill, "0")
			dump := s.Dump()
			s.Restart()
			before := usedMemory(t, s)

			t.Chdir(t.TempDir())
			write(t, "dump.rdb", dump)
			rows, err := csv.NewReader(strings.NewReader(good(t, append(append(flags, c.flags...), "--format", "csv:findings", "dump.rdb")...))).ReadAll()
			require.NoError(t, err)
			var finding []string
			for _, r := range rows[1:] {
				if r[0]+" "+r[1] == c.finding {
					finding = r
				}
			}
			require.NotNil(t, finding, "%q", rows)
			predicted, err := strconv.ParseInt(finding[5], 10, 64)
			require.NoError(t, err)

			if c.follow != "" {
				follow := c.follow
				if m := regexp.MustCompile(`% (\d+)`).FindStringSubmatch(finding[9]); m != nil {
					follow = strings.ReplaceAll(follow, "BUCKETS", m[1])
				}
				s.Do("EVAL", text+follow, "0")
				dump = s.Dump()
			}
			// With the settings that the advice names, if it names any.
			var args []string
			for _, m := range regexp.MustCompile(`([a-z-]+-max-[a-z-]+) (\d+)`).FindAllStringSubmatch(finding[9], -1) {
				args = append(args, "--"+m[1], m[2])
			}
			if s.Restart(); len(args) > 0 {
				s = fixtures.StartServer(t, dump, args...)
			}
			real := before - usedMemory(t, s)
			off := float64(predicted-real) / float64(real)
			t.Logf("%s: used_memory %d, predicted to save %d, saved %d (%+.2f %%); sure: %s", c.finding, before, predicted, real, 100*off, finding[6])
			if math.Abs(off) > 0.05 {
				t.Errorf("%s: predicted to save %d, saved %d (%+.2f %%): %s; %s", c.finding, predicted, real, 100*off, finding[7], finding[9])
			}
		})
	}
}

// TestServerStreamRoom holds the room of streams against a server that is
// restarted, which is all that the advice asks for.
func TestServerStreamRoom(t *testing.T) {
	s := fixtures.StartServer(t, nil)
	s.Do("EVAL", `for i = 1, 20000 do for k = 1, 1 + i % 5 do redis.call('XADD', 'events:' .. i, i .. '-' .. k, 'type', 'click', 'user', i * 7) end end`, "0")
	flags := []string{"--format", "csv:findings", "dump.rdb"}
	if strings.Contains(fmt.Sprint(s.Do("MEMORY", "MALLOC-STATS")), "Quantum size: 16") {
		flags = append(flags, "--allocator", "jemalloc-q16")
	}
	t.Chdir(t.TempDir())
	write(t, "dump.rdb", s.Dump())
	before := usedMemory(t, s)
	s.Restart()
	real := before - usedMemory(t, s)
	rows, err := csv.NewReader(strings.NewReader(good(t, flags...))).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(rows), 1)
	require.Equal(t, []string{"stream-room", "events:{num}", "20000"}, rows[1][:3])
	predicted, err := strconv.ParseInt(rows[1][5], 10, 64)
	require.NoError(t, err)
	t.Logf("predicted to save %d, saved %d (%+.2f %%)", predicted, real, 100*float64(predicted-real)/float64(real))
	require.InEpsilon(t, real, predicted, 0.05)
}
