package output

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// displayWidth is the number of terminal columns that a text takes.
func displayWidth(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return uniseg.StringWidth(s)
		}
	}
	return len(s)
}

// middle shortens a text to at most width columns by an ellipsis in its middle:
// the ends of a key's name say more than what is between them.
func middle(s string, width int) string {
	if displayWidth(s) <= width {
		return s
	}
	if width <= 1 {
		return "…"[:min(max(width, 0), 1)*len("…")]
	}
	left, right := (width-1+1)/2, (width-1)/2
	head := cutWidth(s, left)
	// The tail is cut from the front, cluster by cluster, until it fits.
	tail := s[len(head):]
	if len(tail) > 8*width && isASCII(tail) {
		tail = tail[len(tail)-width:]
	}
	for w := displayWidth(tail); w > right; {
		_, rest, cw, _ := uniseg.FirstGraphemeClusterInString(tail, -1)
		tail, w = rest, w-cw
		if rest == "" {
			break
		}
	}
	return head + "…" + tail
}

// cutWidth is the longest front of a text that takes at most width columns.
func cutWidth(s string, width int) string {
	rest, w, state := s, 0, -1
	for rest != "" {
		cluster, next, cw, st := uniseg.FirstGraphemeClusterInString(rest, state)
		if w+cw > width {
			return s[:len(s)-len(rest)]
		}
		_ = cluster
		rest, w, state = next, w+cw, st
	}
	return s
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// padLeft fills a text to a width from the left; a wider text is cut.
func padLeft(s string, width int) string {
	s = middle(s, width)
	return strings.Repeat(" ", width-displayWidth(s)) + s
}
