package scan

import (
	"rdbaudit/estimate"
	"rdbaudit/rdbparse"
)

// Model says under which server keys are sized. Its texts have been checked
// before: what is not understood is passed over.
type Model struct {
	Target    string `json:"target,omitempty"`  // a server line; empty: the one that wrote the dump
	As        string `json:"as,omitempty"`      // "loaded", else as the writing server held it
	Allocator string `json:"allocator"`         // a name of estimate.ParseAllocator
	Cluster   string `json:"cluster"`           // "on", "off", else as the dump shows
	Options   Config `json:"options,omitempty"` // limits, maxmemory and the like as redis.conf has them
	Origin    Config `json:"origin,omitempty"`  // where each option came from: "--config", "flag"
}

// Config are options by their names in redis.conf.
type Config map[string]string

// Resolve is the configuration for one dump, whether its server line was held
// against a real server, and how the line was found.
func (m *Model) Resolve(info *rdbparse.Info) (c estimate.Config, verified bool, from string) {
	if m.Target != "" {
		c.Line, verified, _ = estimate.Lookup(m.Target)
		from = "--target " + m.Target
	} else {
		c.Line, verified, from = estimate.ForInfo(info)
	}
	m.apply(&c)
	if !m.clusterGiven() {
		// Slot information comes after the head: Finish looks again at the end.
		c.Cluster = c.Cluster || info.Cluster
	}
	return c, verified, from
}

// clusterGiven says whether the mode is given, whatever the dump shows.
func (m *Model) clusterGiven() bool { return m.Cluster == "on" || m.Cluster == "off" }

// apply sets all that does not depend on the dump.
func (m *Model) apply(c *estimate.Config) {
	c.Limits = estimate.DefaultLimits()
	c.Loaded = m.Target != "" || m.As == "loaded"
	c.Allocator, _ = estimate.ParseAllocator(m.Allocator)
	c.SetOptions(m.Options)
	switch m.Cluster {
	case "on":
		c.Cluster = true
	case "off":
		c.Cluster = false
	}
}
