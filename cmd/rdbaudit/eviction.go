package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rdbaudit/aggregate"
	"rdbaudit/estimate"
	"rdbaudit/output"
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

// used is what a dump's server holds against its maxmemory, and who says so.
func (run *reportRun) used(i int, set *aggregate.Set) (int64, string) {
	d := run.dumps[i]
	if run.info != nil && len(run.dumps) == 1 {
		if n, ok := run.info.number("used_memory"); ok {
			left, _ := run.info.number("mem_not_counted_for_evict")
			return n - left, "INFO's used_memory less mem_not_counted_for_evict"
		}
	}
	if d.src.UsedMem >= 0 && !d.config.Loaded && d.err == nil {
		return d.src.UsedMem, "used-mem of the dump"
	}
	list, _ := set.Totals().Dicts()
	tables, _ := dictionaries(&d.config, list, int32(i))
	return set.EvictionBytes(int32(i)) + tables + d.config.Startup(), "our estimate"
}

// eviction is what each policy would evict, nil if nobody asked.
func (run *reportRun) eviction(rep *output.Report, set *aggregate.Set) *aggregate.EvictionPlan {
	v := &run.f.eviction
	if v.max == 0 {
		return nil
	}
	if !run.opts.Eviction {
		rep.Notes = append(rep.Notes, "eviction at maxmemory is left out: it chooses among all keys, and a filter leaves some out")
		return nil
	}
	o := aggregate.EvictionOptions{Need: make([]int64, len(run.dumps)), Samples: v.samples, Policy: v.policy}
	var used, spare int64
	var from []string
	servers := 0
	for i := range run.dumps {
		if run.gone[i] != nil {
			continue
		}
		n, who := run.used(i, set)
		if servers++; !slices.Contains(from, who) {
			from = append(from, who)
		}
		used += n
		o.Need[i] = n + v.more - v.max
		spare += max(0, -o.Need[i])
	}
	plan := set.Eviction(rep.Tables, o)
	say := fmt.Sprintf("maxmemory is %s, used %s (%s)", output.Bytes(v.max), output.Bytes(used), strings.Join(from, ", "))
	if servers > 1 {
		say = fmt.Sprintf("maxmemory is %s for each of %d servers, used %s in all (%s)", output.Bytes(v.max), servers, output.Bytes(used), strings.Join(from, ", "))
	}
	if v.more > 0 {
		say += fmt.Sprintf(", new data %s", output.Bytes(v.more))
	}
	if plan.Need > 0 {
		say += fmt.Sprintf(": %s must go", output.Bytes(plan.Need))
	} else {
		say += fmt.Sprintf(": %s are free; --growth SIZE says what goes when so much more is written", output.Bytes(spare))
	}
	plan.Notes = append([]string{say}, plan.Notes...)
	if v.policy == "" {
		plan.Notes = append(plan.Notes, "nobody said which policy is in force (--maxmemory-policy); a server's default is noeviction")
	}
	return plan
}
