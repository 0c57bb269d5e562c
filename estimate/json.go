package estimate

import (
	"github.com/valyala/fastjson"

	"rdbaudit/rdbparse"
)

// jsonLook finds JSON objects in string values and sizes the hash that would
// hold the same fields.
type jsonLook struct {
	parser fastjson.Parser
	hash   *sizer // sizes the hash, as a server holds it that was given it afresh
	text   []byte
}

// longestJSON is the longest value that is parsed.
const longestJSON = 1 << 20

func newJSONLook(c Config) *jsonLook {
	c.Loaded, c.Audit, c.JSON, c.Sample = true, true, 0, 0
	return &jsonLook{hash: newSizer(c)}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// mayStartJSON is whether looksLikeJSON can be true of what starts so.
func mayStartJSON(first byte) bool { return first == '{' || isSpace(first) }

// looksLikeJSON is a cheap first test: an object's braces.
func looksLikeJSON(b []byte) bool {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}'
}

// look fills what is known of a string value of a key whose name has so many
// bytes.
func (j *jsonLook) look(a *Audit, value []byte, name int64, ttl bool, meta int) {
	a.JSON = JSONNone
	o := j.object(value)
	if o == nil {
		return
	}
	s := j.hash
	s.begin(Hash, name, ttl, meta)
	s.beginElements(int64(o.Len()), true)
	o.Visit(func(key []byte, v *fastjson.Value) {
		s.pair(j.item(key), j.value(v), fieldTTL{})
	})
	s.endHash(false)
	a.JSON, a.Fields, a.AsHash = JSONObject, int32(o.Len()), s.r
	a.AsHashPacked = s.enc == Listpack || s.enc == Ziplist
	if !a.AsHashPacked {
		a.AsPacked, a.FieldLen = s.packed, int32(min(s.longest, longestJSON))
	}
}

// object is the JSON object that a value is, or nil; it is valid until the
// next one is asked for.
func (j *jsonLook) object(value []byte) *fastjson.Object {
	if !looksLikeJSON(value) {
		return nil
	}
	v, err := j.parser.ParseBytes(value)
	if err != nil {
		return nil
	}
	o, err := v.Object()
	if err != nil || o.Len() == 0 {
		return nil
	}
	return o
}

func (j *jsonLook) item(b []byte) item {
	it := item{len: int64(len(b))}
	if len(b) <= longestInt {
		it.val, it.isInt = rdbparse.Integer(b)
	}
	return it
}

// value is what a field of the hash would hold: text without its quotes,
// anything else as JSON writes it.
func (j *jsonLook) value(v *fastjson.Value) item {
	if v.Type() == fastjson.TypeString {
		b, _ := v.StringBytes()
		return j.item(b)
	}
	j.text = v.MarshalTo(j.text[:0])
	return j.item(j.text)
}
