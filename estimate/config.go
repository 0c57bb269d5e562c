package estimate

import (
	"fmt"
	"strconv"
	"strings"
)

// SetOptions applies options by their names in redis.conf, as a --config file
// or a server's command line has them. Options that do not matter to sizes are
// passed over.
func (c *Config) SetOptions(options map[string]string) error {
	for name, value := range options {
		if err := c.Set(name, value); err != nil {
			return err
		}
	}
	policy := strings.ToLower(options["maxmemory-policy"])
	if size, err := ParseSize(options["maxmemory"]); err == nil && size > 0 &&
		(strings.HasSuffix(policy, "-lru") || strings.HasSuffix(policy, "-lfu") || strings.HasSuffix(policy, "-lrm")) { // lrm: server.h@redis-8.6
		c.NoSharedInts = true
	}
	if strings.EqualFold(options["cluster-enabled"], "yes") {
		c.Cluster = true
	}
	return nil
}

// Set applies one limit by its name in redis.conf, today's or the one before
// 7.0. Names that are no limits are passed over.
func (c *Config) Set(name, value string) error {
	name = strings.ToLower(name)
	for _, s := range Settings() {
		if name != s.Name && (s.Old == "" || name != s.Old) {
			continue
		}
		var v int64
		var err error
		if s.Bytes {
			v, err = ParseSize(value)
		} else {
			v, err = strconv.ParseInt(value, 10, 64)
		}
		if err != nil || v < 0 && s.Name != "list-max-listpack-size" {
			return fmt.Errorf("%s: %q is not a number that the server would take", name, value)
		}
		*s.Field(&c.Limits) = v
		*s.Given(&c.Given) = true
	}
	return nil
}

// ParseSize reads a size as redis.conf has it: k, m, g are powers of 1000, kb,
// mb, gb and KiB, MiB, GiB powers of 1024, in any case (util.c@redis-7.2.6
// memtoull).
func ParseSize(text string) (int64, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.' || s[i] == '-') {
		i++
	}
	unit := int64(1)
	switch strings.TrimSpace(s[i:]) {
	case "", "b":
	case "k":
		unit = 1000
	case "kb", "kib":
		unit = 1 << 10
	case "m":
		unit = 1000 * 1000
	case "mb", "mib":
		unit = 1 << 20
	case "g":
		unit = 1000 * 1000 * 1000
	case "gb", "gib":
		unit = 1 << 30
	case "t":
		unit = 1000 * 1000 * 1000 * 1000
	case "tb", "tib":
		unit = 1 << 40
	default:
		return 0, fmt.Errorf("%q is not a size: use bytes or a unit such as kb, mb, gb", text)
	}
	if n, err := strconv.ParseInt(s[:i], 10, 64); err == nil {
		if n != 0 && (n*unit)/unit != n {
			return 0, fmt.Errorf("%q is too large", text)
		}
		return n * unit, nil
	}
	f, err := strconv.ParseFloat(s[:i], 64)
	if err != nil || f*float64(unit) > 1<<62 {
		return 0, fmt.Errorf("%q is not a size: use bytes or a unit such as kb, mb, gb", text)
	}
	return int64(f * float64(unit)), nil
}
