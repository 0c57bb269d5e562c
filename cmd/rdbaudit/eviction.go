package main

import (
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
)

// evictionFlags say when a server is full and what it does then. They are read
// out of the options of all sources: flags, --config, --info.
type evictionFlags struct {
	growth string // as given

	max, more int64 // maxmemory, 0: none; bytes of new data
	policy    string
	samples   int
}

// check reads the options. A policy that we do not know is refused as a flag
// only: a file may be of a server that has more of them.
func (v *evictionFlags) check(m *modelFlags, filtered bool) error {
	size := func(flag, text string) (int64, error) {
		if text == "" {
			return 0, nil
		}
		n, err := estimate.ParseSize(text)
		if err != nil {
			return 0, usageError("%s: %s", flag, err)
		}
		if n < 0 {
			return 0, usageError("%s must not be negative", flag)
		}
		return n, nil
	}
	var err error
	if v.max, err = size("--maxmemory", m.options["maxmemory"]); err != nil {
		return err
	}
	if v.more, err = size("--growth", v.growth); err != nil {
		return err
	}
	v.policy = strings.ToLower(m.options["maxmemory-policy"])
	if aggregate.PolicyByName(v.policy) == nil {
		if m.policy != "" {
			return usageError("--maxmemory-policy %q: there are %s", m.policy, strings.Join(aggregate.PolicyNames(), ", "))
		}
		v.policy = ""
	}
	if n, err := strconv.Atoi(m.options["maxmemory-samples"]); err == nil {
		v.samples = n
	}
	if v.growth != "" && v.max == 0 {
		return usageError("--growth needs --maxmemory, or a --config or --info that has it")
	}
	if filtered && v.growth != "" {
		return usageError("--growth does not go with a filter: what is evicted is chosen among all keys")
	}
	return nil
}
