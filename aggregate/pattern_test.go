package aggregate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func pattern(t testing.TB, o *Options, key string) string {
	t.Helper()
	p, err := NewPatterner(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(p.Append(nil, []byte(key)))
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct{ key, want string }{
		{"", ""},
		{"user", "user"},
		{"user:42:cart", "user:{num}:cart"},
		{"user::42", "user::{num}"},
		{":", ":"},
		{"user:", "user:"},
		{"42", "{num}"},
		{"-7", "{num}"},
		{"p:3.14", "p:{num}"},
		{"p:1-2", "p:{num}"},
		{"p:-", "p:-"},
		{"phone:+49-30-1234", "phone:{num}"},
		{"v:1.2.3", "v:{num}"},
		{"item12", "item12"},
		{"v2:page_12", "v2:page_12"},
		{"player-123", "player-123"},
		{"t:1712345678", "t:{time}"},
		{"t:1712345678901", "t:{time}"},
		{"t:0712345678", "t:{num}"},
		{"t:4102444800", "t:{num}"},
		{"t:4102444799", "t:{time}"},
		{"t:171234567890", "t:{num}"},
		{"d:2024-01-15", "d:{date}"},
		{"d:2024-1-5", "d:{date}"},
		{"d:2024-13-15", "d:{num}"},
		{"d:20240115", "d:{date}"},
		{"d:20241315", "d:{num}"},
		{"d:20240115093000", "d:{date}"},
		{"d:202401150930", "d:{date}"},
		{"d:2024-01", "d:{date}"},
		{"d:2024.01", "d:{num}"},
		{"d:2024-W03", "d:{date}"},
		{"d:15.01.2024", "d:{date}"},
		{"d:2024", "d:{num}"},
		{"d:2024-01-15T10:20:30Z", "d:{date}:{num}:{num}"},
		{"d:2024-01-15T10:20:30.123Z", "d:{date}:{num}:{num}"},
		{"d:2024-01-15-10", "d:{date}"},
		{"d:2024-01-15T102030Z", "d:{date}"},
		{"board:17:9ae3f0", "board:{num}:{hex}"},
		{"x:9ae3f", "x:9ae3f"},
		{"x:facade", "x:facade"},
		{"x:deadbeef", "x:deadbeef"},
		{"x:deadbeefdeadbeef", "x:{hex}"},
		{"x:DEADBEEF01", "x:{hex}"},
		{"x:dEADBEEF01", "x:dEADBEEF01"},
		{"x:0x1aB4", "x:{hex}"},
		{"x:0xzz12", "x:0xzz12"},
		{"x:d41d8cd98f00b204e9800998ecf8427e", "x:{hex}"},
		{"x:12345678901234567890123456789012", "x:{hex}"},
		{"session:1b4e28ba-2fa1-11d2-883f-0016d3cca427", "session:{uuid}"},
		{"session:1B4E28BA-2FA1-11D2-883F-0016D3CCA427", "session:{uuid}"},
		{"session:1b4e28ba-2fa1-11d2-883f_0016d3cca427", "session:{id}"},
		{"o:01ARZ3NDEKTSV4RRFFQ69G5FAV", "o:{ulid}"},
		{"o:01arz3ndektsv4rrffq69g5fav", "o:{ulid}"},
		{"o:7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "o:7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
		{"mail:ann@example.org", "mail:{email}"},
		{"mail:ann.bee+tag@mail.example.org:sent", "mail:{email}:sent"},
		{"mail:@here", "mail:@here"},
		{"mail:a@b", "mail:a@b"},
		{"ip:10.0.0.1", "ip:{ip}"},
		{"ip:10.0.0.0/8", "ip:{ip}"},
		{"ip:10.0.0.256", "ip:{num}"},
		{"ip:2001:db8:85a3:0:0:8a2e:370:7334", "ip:{ip}"},
		{"ip:2001:db8:85a3:0:0:8a2e:370:7334:hits", "ip:{ip}:hits"},
		{"ip:fe80::1", "ip:{ip}"},
		{"ip:2001:4860:4860::8888:hits", "ip:{ip}:hits"},
		{"2024:01:15:x", "{num}:{num}:{num}:x"},
		{"face:off:2", "face:off:{num}"},
		{"tok:V1StGXR8_Z5jdHi6B-myT", "tok:{id}"},
		{"tok:cl9ebqhxk00003b600tymydho", "tok:{id}"},
		{"tok:cus_9s6XKzkNRiz8i3", "tok:{id}"},
		{"tok:user_01h455vb4pex5vsknk084sn02q", "tok:{id}"},
		{"tok:dGhpcyBpcyBhIHRlc3Qgb2YgYmFzZTY0==", "tok:{id}"},
		{"x:UserProfileCacheV2", "x:UserProfileCacheV2"},
		{"x:CustomerOrderHistoryService", "x:CustomerOrderHistoryService"},
		{"x:my-long-cache-key-v2", "x:my-long-cache-key-v2"},
		{"x:recommendations2024", "x:recommendations2024"},
		{"x:session_cache_for_mobile_app_users", "x:session_cache_for_mobile_app_users"},
		{"x:/api/v1/users/profile/12", "x:/api/v1/users/profile/12"},
		{"{42}", "{tag}"},
		{"cart:{42}", "cart:{tag}"},
		{"{user1000}.following", "{tag}.following"},
		{"{user:42}:cart", "{user:{num}}:cart"},
		{"{42:x}:cart", "{{num}:x}:cart"},
		{"{a}{b}", "{tag}{tag}"},
		{"{u}.12", "{tag}{num}"},
		{"{}", "{}"},
		{"x:{num}", "x:{tag}"},
		{"x:{}{num}", "x:{}{num}"},
		{"x:*", `x:\x2a`},
		{"*", `\x2a`},
		{"x:**", "x:**"},
		{"x:<name>", `x:\x3cname>`},
		{"=cmd:x", `\x3dcmd:x`},
		{"x:=cmd", "x:=cmd"},
		{"-x:1", `\x2dx:{num}`},
		{"a\\b:c\xff:\u202e", `a\\b:c\xff:\xe2\x80\xae`},
		{"größe:é", "größe:é"},
		{"a:b:c:d:e:f", "a:b:c:d:e:f"},
		{"a:b:c:d:e:f:", "a:b:c:d:e:*"},
		{"a:b:c:d:e:f:g:h", "a:b:c:d:e:*"},
		{"x:" + strings.Repeat("ab ", 43), "x:{long}"},
		{"x:" + strings.Repeat("a", 128), "x:{hex}"},
		{"x:" + strings.Repeat("z", 128), "x:" + strings.Repeat("z", 128)},
		{"x:" + strings.Repeat("z", 129), "x:{long}"},
	} {
		if got := pattern(t, &Options{}, tt.key); got != tt.want {
			t.Errorf("pattern of %q is %q, want %q", tt.key, got, tt.want)
		}
	}
}

func TestPatternOptions(t *testing.T) {
	for _, tt := range []struct {
		o         Options
		key, want string
	}{
		{Options{Depth: 2}, "user:42:cart", "user:*"},
		{Options{Depth: 2}, "user:42", "user:{num}"},
		{Options{Depth: 1}, "user:42", "*"},
		{Options{Separators: []string{"."}}, "user:42.x", "user:42.x"},
		{Options{Separators: []string{"."}}, "ip.2001:db8::1", "ip.{ip}"},
		{Options{Separators: []string{":", "."}}, "user:42.x", "user:{num}.x"},
		{Options{Separators: []string{":", "::", "--"}}, "a::42--7:b-c", "a::{num}--{num}:b-c"},
		{Options{Separators: []string{"a", "ba"}}, "xba1", "xba{num}"},
		{Options{Separators: []string{"\t"}}, "x\t42", `x\x09{num}`},
		{Options{Separators: []string{"-"}}, "-42", `\x2d{num}`},
		{Options{Separators: []string{"/"}}, "/api/v1/users/42", "/api/v1/users/{num}"},
	} {
		if got := pattern(t, &tt.o, tt.key); got != tt.want {
			t.Errorf("pattern of %q under %+v is %q, want %q", tt.key, tt.o, got, tt.want)
		}
	}
}

func TestUserPatterns(t *testing.T) {
	o := &Options{Patterns: []string{
		"tenant:<name>:cache:*", "tenant:<name>", "user-<id>:*:mail", "job_*", `lit\x2a:{num}`, "=x:<y>",
	}}
	for _, tt := range []struct{ key, want string }{
		{"tenant:acme:cache:a:b", "tenant:<name>:cache:*"},
		{"tenant:acme:cache:", "tenant:<name>:cache:*"},
		{"tenant:acme:cache", "tenant:acme:cache"},
		{"tenant:acme", "tenant:<name>"},
		{"tenant:", "tenant:"},
		{"user-joe:x:mail", "user-<id>:*:mail"},
		{"user-:x:mail", "user-:x:mail"},
		{"user-joe:x:y:mail", "user-joe:x:y:mail"},
		{"job_17:x", "job_*"},
		{"lit*:5", "lit*:{num}"},
		{"lit*:x", "lit*:x"},
		{"=x:1", `\x3dx:<y>`},
	} {
		if got := pattern(t, o, tt.key); got != tt.want {
			t.Errorf("pattern of %q is %q, want %q", tt.key, got, tt.want)
		}
	}
	for _, bad := range []string{"", "a:<b", "a:<b>*", "a:<b><c>", `a\`, "a:**", "<*>", strings.Repeat("x", 5000)} {
		o := Options{Patterns: []string{bad}}
		if o.Check() == nil {
			t.Errorf("user pattern %q passes", bad)
		}
	}
}

// TestPatternRandomIDs measures how many identifiers of common forms stay
// literal: each that does is a row of its own.
func TestPatternRandomIDs(t *testing.T) {
	const (
		b62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		b36 = "0123456789abcdefghijklmnopqrstuvwxyz"
		b32 = "abcdefghijklmnopqrstuvwxyz234567"
	)
	rng := rand.New(rand.NewPCG(1, 2))
	p, _ := NewPatterner(&Options{})
	for _, tt := range []struct {
		name, alphabet string
		n              int
		most           float64 // percent that stay literal
	}{
		{"base62/16", b62, 16, 9}, {"base62/22", b62, 22, 2}, {"base62/27", b62, 27, 1}, {"base64url/22", b62 + "-_", 22, 5},
		{"base64url/43", b62 + "-_", 43, 1}, {"nanoid/21", b62 + "-_", 21, 6}, {"base64/44", b62 + "+/", 44, 1},
		{"base36/16", b36, 16, 7}, {"base36/25", b36, 25, 1}, {"base32/26", b32, 26, 5},
		{"hex/8", b36[:16], 8, 0.2}, {"hex/16", b36[:16], 16, 0.01},
	} {
		const n = 20000
		miss := 0
		for range n {
			key := make([]byte, tt.n)
			for i := range key {
				key[i] = tt.alphabet[rng.IntN(len(tt.alphabet))]
			}
			if got := p.Append(nil, key); got[0] != '{' {
				miss++
			}
		}
		got := 100 * float64(miss) / n
		t.Logf("%-13s %.2f %% stay literal", tt.name, got)
		if got > tt.most {
			t.Errorf("%s: %.2f %% stay literal, want at most %v", tt.name, got, tt.most)
		}
	}
}

// TestPlain: keys whose bytes are classed eight at a time have the patterns that
// they have byte by byte.
func TestPlain(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	pieces := strings.Fields("user session 42 1712345678 20240115 9ae3f0 cafe 2001 db8 a z _ last_seen Item12 V1StGXR8_Z5jdHi6B-myT {tag} x{7} * <a> a@b.org 10.0.0.1 1b4e28ba-2fa1-11d2-883f-0016d3cca427 " +
		"\\ \x00 é 0123456789abcdef ABCDEF01 deadbeef - . / g9 fe80 FE80 Fe80 2024-01-15")
	plain := 0
	for _, sep := range []string{":", "a", "7", "-", "{", "\xff", "é"} {
		for _, depth := range []int{1, 3, 6} {
			p, err := NewPatterner(&Options{Separators: []string{sep}, Depth: depth})
			require.NoError(t, err)
			for range 20_000 {
				var key []byte
				for n := rng.IntN(7); n >= 0; n-- {
					if len(key) > 0 || rng.IntN(10) == 0 {
						key = append(key, sep...)
					}
					if rng.IntN(8) > 0 {
						key = append(key, pieces[rng.IntN(len(pieces))]...)
					}
				}
				want, wantSame := p.walkAny([]byte("x"), key, true)
				got, same, ok := p.walkPlain([]byte("x"), key)
				if !ok {
					require.Equal(t, "x", string(got))
					continue
				}
				plain++
				require.Equal(t, want, got, "%q", key)
				require.Equal(t, wantSame, same, "%q", key)
			}
		}
	}
	require.Greater(t, plain, 50_000)
}

func FuzzPattern(f *testing.F) {
	f.Add("cfg:wordé:word:17", ":", "z", 6)
	f.Add("sess:9ae3f0aa:{x}:2001:db8::1:abcdefgh", ":", "z", 4)
	f.Add("user:42:cart", ":", "tenant:<name>:*", 6)
	f.Add("a\xff::{x}:*", "::", "a:{num}", 3)
	f.Add("2001:db8::1", ":", "*", 1)
	f.Add("-\\x2a.<a>", ".", "<a>", 2)
	f.Fuzz(func(t *testing.T, key, sep, user string, depth int) {
		o := &Options{Separators: []string{sep, ":"}, Patterns: []string{user}, Depth: depth}
		p, _ := NewPatterner(o)
		got := p.Append([]byte("x"), []byte(key))[1:]
		if again := p.Append(nil, []byte(key)); !bytes.Equal(got, again) {
			t.Fatalf("%q: first %q, then %q", key, got, again)
		}
		if most := p.depth*(4*maxLiteral+4*maxSeparator+16) + 8*maxUserPattern; len(got) > most {
			t.Fatalf("%q: pattern of %d bytes", key, len(got))
		}
		for _, b := range got {
			if b < 0x20 || b == 0x7f {
				t.Fatalf("%q: pattern %q holds a control character", key, got)
			}
		}
		marked, same := p.walk(nil, []byte(key), true)
		if expanded := p.expand(nil, marked); !bytes.Equal(expanded, got) {
			t.Fatalf("%q: pattern %q, expanded %q", key, got, expanded)
		}
		if same && !bytes.Equal(p.original(nil, marked), []byte(key)) {
			t.Fatalf("%q: not the same as %q", key, got)
		}
		if same {
			if back, err := Unescape(string(got)); err != nil || string(back) != key {
				t.Fatalf("%q: unescaped to %q, %v", key, back, err)
			}
		}
		if m := moldOf(p, []byte(key)); m != nil {
			for i := range key {
				for _, b := range "09afgF:-\x00\xff" {
					other := []byte(key)
					other[i] = byte(b)
					checkMold(t, p, m, []byte(key), other)
				}
			}
		}
		// The pattern of a pattern settles: classes become {tag}, and that stays.
		p, _ = NewPatterner(&Options{})
		for i := 0; ; i++ {
			back, err := Unescape(string(got))
			if err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			next := p.Append(nil, back)
			if bytes.Equal(next, got) {
				break
			}
			if i == 8 {
				t.Fatalf("%q does not settle: %q, %q", key, got, next)
			}
			got = next
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "=1+1", "a\\b", "\xff\xfe", "\ufffd", "\u202eabc", "x\u200b", "-", "é", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		text := AppendEscaped(nil, key)
		back, err := Unescape(string(text))
		if err != nil || !bytes.Equal(back, key) {
			t.Fatalf("%q -> %s -> %q, %v", key, text, back, err)
		}
		if len(text) > 0 && isFormula(text[0]) {
			t.Fatalf("%s starts a formula", text)
		}
		if !bytes.Equal([]byte(strings.ToValidUTF8(string(text), "")), text) || bytes.ContainsAny(text, "\x00\n\r\t\x1b\u202e\u200b") {
			t.Fatalf("%q is not clean", text)
		}
	})
}

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ key, want string }{
		{"plain key", "plain key"},
		{`a\b`, `a\\b`},
		{"=x=", `\x3dx=`},
		{"@", `\x40`},
		{"a\n", `a\x0a`},
		{"\xc3", `\xc3`},
		{"é\xc3", `é\xc3`},
		{"\ufffd", "\ufffd"},
		{"\u202ex", `\xe2\x80\xaex`},
		{"\u200b\u00a0\ufe0f", `\xe2\x80\x8b\xc2\xa0\xef\xb8\x8f`},
		{"\xed\xa0\x80", `\xed\xa0\x80`},
	} {
		if got := string(AppendEscaped(nil, []byte(tt.key))); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.key, got, tt.want)
		}
	}
	for _, bad := range []string{`\`, `\x`, `\x1`, `\xg0`, `a\n`, `\+`} {
		if _, err := Unescape(bad); err == nil {
			t.Errorf("Unescape(%q) passes", bad)
		}
	}
	if b, err := Unescape(`ab\+17`); string(b) != "ab" || err == nil {
		t.Errorf("cut key: %q, %v", b, err)
	}
}

func TestHist(t *testing.T) {
	for _, n := range []int{1, 5, 8, 9, 1000} {
		rng := rand.New(rand.NewPCG(uint64(n), 3))
		var one, a, b Hist
		values := make([]int64, n)
		for i := range values {
			values[i] = rng.Int64() >> rng.IntN(63)
			one.Add(values[i])
			if i%3 == 0 {
				a.Add(values[i])
			} else {
				b.Add(values[i])
			}
		}
		a.Merge(&b)
		if one.Len() != int64(n) || a.Len() != int64(n) {
			t.Fatalf("%d and %d values, want %d", one.Len(), a.Len(), n)
		}
		for p := int64(1); p <= 100; p++ {
			rank := (int64(n)*p + 99) / 100
			got, merged := one.Percentile(p), a.Percentile(p)
			want := quantile(values, int(rank))
			if got != merged || abs(float64(got-want)) > float64(want)/32 {
				t.Fatalf("n %d p%d: %d, merged %d, want %d", n, p, got, merged, want)
			}
		}
	}
	for v := int64(0); v < 1<<20; v = v*17/16 + 1 {
		if b := histBucket(v); histBucket(histValue(b)) != b {
			t.Fatalf("%d: bucket %d holds not its own value %d", v, b, histValue(b))
		}
	}
	if b := histBucket(1<<63 - 1); b != histMax {
		t.Fatalf("bucket of the largest value: %d, want %d", b, histMax)
	}
	var h, empty Hist
	h.Merge(&empty)
	if h.Percentile(50) != 0 {
		t.Fatal("percentile of nothing")
	}
}

func quantile(values []int64, rank int) int64 {
	v := append([]int64(nil), values...)
	for i := range v { // insertion is quick enough here
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
	return v[rank-1]
}

func abs(f float64) float64 { return max(f, -f) }

func benchKeys() [][]byte {
	rng := rand.New(rand.NewPCG(1, 1))
	keys := make([][]byte, 4096)
	for i := range keys {
		switch i % 4 {
		case 0:
			keys[i] = fmt.Appendf(nil, "user:%d:last_seen", rng.IntN(1e7))
		case 1:
			keys[i] = fmt.Appendf(nil, "sess:%016x", rng.Uint64())
		case 2:
			keys[i] = fmt.Appendf(nil, "cfg:%s:%s:%d", word(rng), word(rng), rng.IntN(1000))
		case 3:
			keys[i] = fmt.Appendf(nil, "u:%d", rng.IntN(1e8))
		}
	}
	return keys
}

func word(rng *rand.Rand) string {
	w := make([]byte, 4+rng.IntN(5))
	for i := range w {
		w[i] = 'g' + byte(rng.IntN(20))
	}
	return string(w)
}

func BenchmarkPattern(b *testing.B) {
	for _, key := range []string{"user:12345678:last_seen_at_time", "sess:9f86d081884c7d65", "cfg:payment:timeout:42",
		"session:1b4e28ba-2fa1-11d2-883f-0016d3cca427", "tok:V1StGXR8_Z5jdHi6B-myT", "u:123456", "{user:42}:cart:items"} {
		b.Run(key, func(b *testing.B) {
			p, _ := NewPatterner(&Options{})
			var buf []byte
			k := []byte(key)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = p.walk(buf[:0], k, true)
			}
		})
	}
	keys := benchKeys()
	b.Run("mix", func(b *testing.B) {
		p, _ := NewPatterner(&Options{})
		var buf []byte
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			buf, _ = p.walk(buf[:0], keys[i&4095], true)
			i++
		}
	})
}

func BenchmarkEscape(b *testing.B) {
	key := []byte("user:12345678:last_seen_at_time")
	var buf []byte
	for b.Loop() {
		buf = AppendEscaped(buf[:0], key)
	}
}

// TestPlain8 holds the test of eight bytes against that of one.
func TestPlain8(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	alphabet := "abc[]~ \\\x00\x1f\x7f\x80\xff"
	for range 100_000 {
		var b [8]byte
		plain := true
		for i := range b {
			b[i] = alphabet[rng.IntN(7+rng.IntN(len(alphabet)-6))]
			plain = plain && b[i] >= 0x20 && b[i] < 0x7f && b[i] != '\\'
		}
		if plain8(binary.LittleEndian.Uint64(b[:])) != plain {
			t.Fatalf("plain8 of %q is %v", b, !plain)
		}
	}
}
