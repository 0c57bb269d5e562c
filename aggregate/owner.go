package aggregate

import (
	"bytes"
	"slices"
)

// userIndex finds the user's patterns that may match a key by the key's first
// byte, so that many patterns cost a key little more than a few: lists of
// indexes into Patterner.user, in order.
type userIndex struct {
	byByte [256][]int32 // of those that begin with this byte
	any    []int32      // of those that begin with a wildcard or a class
}

// index makes the index of the user's patterns.
func (p *Patterner) index() {
	if len(p.user) == 0 {
		return
	}
	p.first = &userIndex{}
	for i := range p.user {
		list := &p.first.any
		if pre := p.user[i].tokens[0].pre; len(pre) > 0 {
			list = &p.first.byByte[pre[0]]
		}
		*list = append(*list, int32(i))
	}
}

// userMatch gives the index+1 of the first of the user's patterns that matches
// the key, or 0.
func (p *Patterner) userMatch(key []byte) int {
	var begin []int32
	if len(key) > 0 {
		begin = p.first.byByte[key[0]]
	}
	for any := p.first.any; len(begin)+len(any) > 0; {
		from := &begin
		if len(begin) == 0 || len(any) > 0 && any[0] < begin[0] {
			from = &any
		}
		i := (*from)[0]
		*from = (*from)[1:]
		if u := &p.user[i]; bytes.HasPrefix(key, u.tokens[0].pre) && u.match(p, key) {
			return int(i) + 1
		}
	}
	return 0
}

func (p *Patterner) ownerIndex(name string) int {
	i := slices.Index(p.owners, name)
	if i < 0 {
		i = len(p.owners)
		p.owners = append(p.owners, name)
	}
	return i
}

// ownerOf is the index of the owner of what matched a pattern of the user's,
// by its index+1; 0 is nobody.
func (p *Patterner) ownerOf(hit int) int {
	if hit == 0 {
		return 0
	}
	return p.user[hit-1].owner
}

// AppendOwned appends the pattern of a key as Append does, and says who owns
// it; empty if nobody does.
func (p *Patterner) AppendOwned(dst, key []byte) ([]byte, string) {
	dst = p.Append(dst, key)
	return dst, p.owners[p.ownerOf(p.hit)]
}

// ownersByPattern gives owners by pattern in marked form, nil if nobody owns
// anything. A pattern of the user's own has all keys of its form: what others
// would make of a key is never marked like it, so that form tells the owner.
func (p *Patterner) ownersByPattern() map[string]int {
	if len(p.owners) == 1 {
		return nil
	}
	m := make(map[string]int, len(p.user))
	for i := range p.user {
		u := &p.user[i]
		if _, ok := m[string(u.marked)]; !ok {
			m[string(u.marked)] = u.owner
		}
	}
	return m
}

// setOwners gives findings the owners of their patterns: of a pattern of the
// user's own, or of all below an inner node of the table.
func (a *auditor) setOwners() {
	p := a.set.patterns.p
	if len(p.owners) == 1 {
		return
	}
	of := make(map[string]string)
	for _, r := range a.rows {
		name, owner := r[colPattern].S, r[colOwner].S
		if was, ok := of[name]; ok && was != owner {
			owner = "" // the root and a leaf may both be *
		}
		of[name] = owner
	}
	for i := range p.user {
		// What the table folded or left out.
		u := &p.user[i]
		name := string(escapeFormula(slices.Clone(u.text), 0))
		if _, ok := of[name]; !ok {
			of[name] = p.owners[u.owner]
		}
	}
	for i := range a.found {
		if f := &a.found[i]; f.Pattern != "" { // else of the whole dump, not of the key without a name
			f.Owner = of[f.Pattern]
		}
	}
}
