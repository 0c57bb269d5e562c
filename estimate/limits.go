package estimate

// Limits are the settings that decide how values are laid out, by their names
// in redis.conf.
type Limits struct {
	HashEntries, HashValue int64 // hash-max-listpack-entries, -value
	SetIntset              int64 // set-max-intset-entries
	SetEntries, SetValue   int64 // set-max-listpack-entries, -value
	ZSetEntries, ZSetValue int64 // zset-max-listpack-entries, -value
	ListSize               int64 // list-max-listpack-size
	ListDepth              int64 // list-compress-depth
	StreamNodeBytes        int64 // stream-node-max-bytes
	StreamNodeEntries      int64 // stream-node-max-entries
}

// Setting is a limit by name.
type Setting struct {
	Name  string
	Old   string // its name before 7.0, an alias since
	Bytes bool   // takes a size such as 4kb
	Field func(*Limits) *int64
	Given func(*Given) *bool
}

// Settings lists the limits. All lines have the same defaults
// (config.c@redis-6.2.16 to 8.6.3, config.c@valkey-9.1.2).
func Settings() []Setting {
	return []Setting{
		{"hash-max-listpack-entries", "hash-max-ziplist-entries", false, func(l *Limits) *int64 { return &l.HashEntries }, func(g *Given) *bool { return &g.Hash }},
		{"hash-max-listpack-value", "hash-max-ziplist-value", true, func(l *Limits) *int64 { return &l.HashValue }, func(g *Given) *bool { return &g.Hash }},
		{"set-max-intset-entries", "", false, func(l *Limits) *int64 { return &l.SetIntset }, func(g *Given) *bool { return &g.SetIntset }},
		{"set-max-listpack-entries", "", false, func(l *Limits) *int64 { return &l.SetEntries }, func(g *Given) *bool { return &g.Set }},
		{"set-max-listpack-value", "", true, func(l *Limits) *int64 { return &l.SetValue }, func(g *Given) *bool { return &g.Set }},
		{"zset-max-listpack-entries", "zset-max-ziplist-entries", false, func(l *Limits) *int64 { return &l.ZSetEntries }, func(g *Given) *bool { return &g.ZSet }},
		{"zset-max-listpack-value", "zset-max-ziplist-value", true, func(l *Limits) *int64 { return &l.ZSetValue }, func(g *Given) *bool { return &g.ZSet }},
		{"list-max-listpack-size", "list-max-ziplist-size", false, func(l *Limits) *int64 { return &l.ListSize }, func(g *Given) *bool { return &g.List }},
		{"list-compress-depth", "", false, func(l *Limits) *int64 { return &l.ListDepth }, func(g *Given) *bool { return &g.List }},
		{"stream-node-max-bytes", "", true, func(l *Limits) *int64 { return &l.StreamNodeBytes }, func(g *Given) *bool { return &g.Stream }},
		{"stream-node-max-entries", "", false, func(l *Limits) *int64 { return &l.StreamNodeEntries }, func(g *Given) *bool { return &g.Stream }},
	}
}

// Raise raises the limits to those of o that are higher.
func (l *Limits) Raise(o Limits) {
	for _, s := range Settings() {
		at := s.Field(l)
		*at = max(*at, *s.Field(&o))
	}
}

// Has says whether servers of the line know a setting.
func (l *Line) Has(s *Setting) bool {
	return l.setListpack || s.Name != "set-max-listpack-entries" && s.Name != "set-max-listpack-value"
}

// DefaultLimits are the limits of a server that was not told otherwise.
func DefaultLimits() Limits {
	return Limits{
		HashEntries: 512, HashValue: 64,
		SetIntset: 512, SetEntries: 128, SetValue: 64,
		ZSetEntries: 128, ZSetValue: 64,
		ListSize: -2, ListDepth: 0,
		StreamNodeBytes: 4096, StreamNodeEntries: 100,
	}
}

// Given says which limits somebody set; the others are defaults, which give
// way to what the dump shows.
type Given struct {
	Hash, SetIntset, Set, ZSet, List, Stream bool
}

// nodeLimit is what list-max-listpack-size allows a node: bytes, and entries
// where the option counts those (quicklist.c@redis-7.2.6 quicklistNodeLimit).
func nodeLimit(size int64) (bytes, entries int64) {
	switch {
	case size >= 0:
		// With a count, 8192 bytes are the most all the same.
		return 8192, max(size, 1)
	case size <= -5:
		return 65536, -1
	}
	return 2048 << -size, -1
}
