package aggregate

import "slices"

// What a server does at its maxmemory (evict.c@redis-7.0.15 performEvictions
// and evictionPoolPopulate, and held against that server, not against others).
// Until enough is freed it draws maxmemory-samples keys from each database that
// has any, under a volatile policy from those with a TTL, puts them into a pool of
// the 16 best candidates, and evicts the best. The random policies take a key
// of each database in turn.
//
// What follows is the expected outcome where there are far more keys than the
// pool holds: no lots are drawn, and more to free never evicts less of anything.

// Policy is a maxmemory-policy.
type Policy struct {
	Name     string
	Volatile bool // only keys with a TTL
	by       how
	never    bool // noeviction
	written  bool // what counts is the last write, not the last access
}

// Policies lists the policies of all servers. The two lrm came with Redis 8.6.
func Policies() []Policy {
	return []Policy{
		{Name: "noeviction", never: true},
		{Name: "allkeys-lru", by: byIdle},
		{Name: "volatile-lru", by: byIdle, Volatile: true},
		{Name: "allkeys-lfu", by: byFreq},
		{Name: "volatile-lfu", by: byFreq, Volatile: true},
		{Name: "allkeys-lrm", by: byIdle, written: true},
		{Name: "volatile-lrm", by: byIdle, Volatile: true, written: true},
		{Name: "volatile-ttl", by: byTTL, Volatile: true},
		{Name: "allkeys-random", by: byLot},
		{Name: "volatile-random", by: byLot, Volatile: true},
	}
}

// PolicyByName finds a policy; nil if there is none of that name.
func PolicyByName(name string) *Policy {
	list := Policies()
	if i := slices.IndexFunc(list, func(p Policy) bool { return p.Name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

// defaultSamples is maxmemory-samples in redis.conf of all lines.
const defaultSamples = 5

const poolSize = 16 // evict.c EVPOOL_SIZE

// poolChance is the chance that the key which the pool gives away is of the
// best u of all keys, drawn of n each round. The pool then is a queue: what
// counts is how many of its candidates are of those best. Each round brings a
// binomial number of them, room for 16 keeps some, one leaves. With one
// departure a round, as many rounds cross from k to k+1 of them as come back,
// which gives the chances of all k in turn. None is left to give away if there
// was none and none came.
func poolChance(u float64, n int) float64 {
	come := make([]float64, n+1) // chance of exactly i
	come[0] = 1
	for i := 1; i <= n; i++ {
		for k := i; k > 0; k-- {
			come[k] = come[k]*(1-u) + come[k-1]*u
		}
		come[0] *= 1 - u
	}
	none := come[0]
	if none < 1e-12 {
		return 1
	}
	for i := n - 1; i >= 0; i-- {
		come[i] += come[i+1] // from here on: of at least i
	}
	atLeast := func(i int) float64 {
		if i > n {
			return 0
		}
		return come[i]
	}
	chance := [poolSize]float64{1}
	sum := 1.0
	for k := range poolSize - 1 {
		up := 0.0
		for i := range k + 1 {
			up += chance[i] * atLeast(k+2-i)
		}
		chance[k+1] = up / none
		sum += chance[k+1]
	}
	return 1 - chance[0]*none/sum
}

// pool is poolChance as a table: from where on it is 1 to all intents, and
// values at equal steps up to there.
type pool struct {
	scale float64 // steps for the share of all keys that is 1
	at    []float64
}

func newPool(n int) *pool {
	const steps, most = 256, 256
	// Of very many, it matters only how many of the best come on average.
	times := float64(max(n, most)) / most
	n = min(n, most)
	// Once twice as many come as leave the pool holds nothing else.
	to := min(1, 4/float64(n))
	p := &pool{scale: times * steps / to}
	for i := range steps + 1 {
		p.at = append(p.at, poolChance(float64(i)*to/steps, n))
	}
	p.at[steps] = 1
	return p
}

func (p *pool) chance(u float64) float64 {
	x := u * p.scale
	i := int(x)
	if i >= len(p.at)-1 {
		return 1
	}
	return p.at[i] + (x-float64(i))*(p.at[i+1]-p.at[i])
}

// lots are the keys of a server that a policy may evict: by database, in
// crowds that it ranks the same, the first to go first.
type lots struct {
	all    tally
	known  bool           // the dump tells how keys rank
	ranks  []uint32       // of the crowds
	at     map[uint32]int // a rank's crowd
	crowds [][]lot        // by database
}

// lot is the part of a crowd in one database.
type lot struct {
	tally
	left float64 // keys
	mean float64 // bytes of one
}

// gone is the part of the keys that have been evicted.
func (l *lot) gone() float64 {
	if l.keys == 0 {
		return 0
	}
	return 1 - l.left/float64(l.keys)
}

// clear evicts all.
func (l *lots) clear() {
	for _, crowd := range l.crowds {
		for d := range crowd {
			crowd[d].left = 0
		}
	}
}

// evict takes keys until so many bytes are free.
func (l *lots) evict(need float64, samples int, random bool) {
	if len(l.crowds) == 0 || need <= 0 {
		return
	}
	dbs := len(l.crowds[0])
	// Evict in steps after which what is left has hardly changed. Fewer do
	// where a dump names very many databases.
	steps := max(50, min(400, 400<<16/float64(dbs*len(l.crowds))))
	left := make([]float64, dbs)
	weight := make([]float64, dbs) // of a key in what is drawn
	pools := make(map[int]*pool)
	for {
		clear(left)
		for _, crowd := range l.crowds {
			for d := range crowd {
				left[d] += crowd[d].left
			}
		}
		live, all := 0, 0.0
		for _, n := range left {
			if n >= 0.5 {
				live++
				all += n
			}
		}
		if live == 0 {
			l.takeRest(need)
			return
		}
		for d, n := range left {
			if weight[d] = 0; n >= 0.5 {
				weight[d] = 1 / (n * float64(live))
			}
		}
		var p *pool
		if !random {
			if p = pools[live]; p == nil {
				p = newPool(samples * live)
				pools[live] = p
			}
		}
		step := max(all/steps, 0.5)
		freed := l.step(step, weight, p, false)
		if freed >= need {
			// Not quite in proportion: what a database has no more of cannot go.
			for range 20 {
				step *= need / freed
				if freed = l.step(step, weight, p, false); freed-need < 0.1 {
					break
				}
			}
			l.step(step, weight, p, true)
			return
		}
		l.step(step, weight, p, true)
		need -= freed
	}
}

// takeRest frees so many bytes of what is left where every database has less
// than half a key: expected parts of keys, of which some may be large.
func (l *lots) takeRest(need float64) {
	for _, crowd := range l.crowds {
		for d := range crowd {
			c := &crowd[d]
			if bytes := c.left * c.mean; bytes > need {
				c.left -= need / c.mean
				return
			} else {
				need -= bytes
				c.left = 0
			}
		}
	}
}

// step is what evicting so many keys frees; they are gone if take is true.
func (l *lots) step(keys float64, weight []float64, p *pool, take bool) (freed float64) {
	sum, before := 0.0, 0.0
	for _, crowd := range l.crowds {
		drawn := 0.0
		for d := range crowd {
			drawn += crowd[d].left * weight[d]
		}
		if drawn <= 0 {
			continue
		}
		sum += drawn
		chance := sum
		if p != nil {
			chance = p.chance(sum)
		}
		each := keys * (chance - before) / drawn
		before = chance
		for d := range crowd {
			c := &crowd[d]
			gone := min(c.left, each*c.left*weight[d])
			freed += gone * c.mean
			if take {
				c.left -= gone
			}
		}
		if p != nil && chance >= 1 {
			break
		}
	}
	return freed
}
