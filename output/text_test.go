package output

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/rivo/uniseg"
)

func text_(t *testing.T, r *Report, o TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

// No line is wider than the terminal, no control byte comes out but line feeds,
// and colours change nothing but colours.
func TestTextWidth(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	reports := []*Report{sampleReport(), emptyReport(), damagedReport(), {}}
	for range 150 {
		reports = append(reports, randomReport(rng))
	}
	for i, r := range reports {
		for _, width := range []int{0, 80, 40, 56, 64, 79, 132, 300} {
			if i > 20 && width != 80 && width != 40 {
				continue
			}
			out := text_(t, r, TextOptions{Width: width})
			limit := width
			if width == 0 {
				limit = 80
			}
			for _, line := range strings.Split(out, "\n") {
				if w := uniseg.StringWidth(line); w > limit {
					t.Fatalf("report %d, width %d: %d columns: %q", i, width, w, line)
				}
				for _, c := range line {
					if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
						t.Fatalf("report %d: control %U in %q", i, c, line)
					}
				}
				if strings.TrimRight(line, " ") != line {
					t.Fatalf("report %d: trailing space: %q", i, line)
				}
			}
			if plain := ansi.ReplaceAllString(text_(t, r, TextOptions{Width: width, Color: true}), ""); plain != out {
				t.Fatalf("report %d, width %d: colour changes the text: %s", i, width, firstDiff(plain, out))
			}
		}
	}
}

func TestTextWide(t *testing.T) {
	golden(t, "sample.text132", text_(t, sampleReport(), TextOptions{Width: 132}))
	golden(t, "sample.text48", text_(t, sampleReport(), TextOptions{Width: 48, Top: 5}))
}

func TestWarningsFirst(t *testing.T) {
	if out := text_(t, damagedReport(), TextOptions{}); !strings.HasPrefix(out, "! backups/prod-1.rdb is damaged") {
		t.Errorf("starts with %q", out[:60])
	}
}

func TestMiddle(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"short", 5, "short"}, {"abcdefgh", 5, "ab…gh"}, {"abcdefgh", 6, "abc…gh"}, {"abcdefgh", 1, "…"}, {"abcdefgh", 0, ""},
		{"名前名前名前", 7, "名…前"}, {"名前", 3, "…"}, {"é́́abcdefgh", 4, "é́́a…h"},
	} {
		if got := middle(c.in, c.width); displayWidth(got) > c.width || got != c.want && c.in != "名前" {
			t.Errorf("middle(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(13, 14))
	for range 3000 {
		s := ""
		for range rng.IntN(8) {
			s += clean(hostileNames[rng.IntN(len(hostileNames))])
		}
		w := rng.IntN(60)
		if got := middle(s, w); displayWidth(got) > w {
			t.Fatalf("middle(%q, %d) = %q takes %d", s, w, got, displayWidth(got))
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		share float64
		want  string
	}{{0, ""}, {1e-9, "▏"}, {0.001, "▏"}, {0.5, "██"}, {0.6, "██▍"}, {1, "████"}, {7, "████"}, {-1, ""}} {
		if got := bar(c.share, 4); got != c.want {
			t.Errorf("bar(%v) = %q, want %q", c.share, got, c.want)
		}
	}
}
