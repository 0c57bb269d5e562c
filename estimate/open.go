package estimate

import (
	"errors"
	"io"
	"runtime"
	"sync"

	"rdbaudit/rdbparse"
)

// kept are nodes of a list or a stream that are put aside as they are stored,
// until the size of the whole is known: most values turn out not to be among
// the largest, and need not be opened then.
type kept struct {
	nodes  []keptNode
	chunks [][]byte // of keptChunk bytes, kept for the next value
	used   int      // chunks with something in them
	over   bool     // none is kept any more
}

type keptNode struct {
	held   rdbparse.Held
	stored []byte
}

const (
	keptChunk = 1 << 20
	// Nodes may be of a few bytes, which take less room than what is known of them.
	keptLeast = 256     // how many nodes are kept at least,
	keptEach  = 4 << 10 // and one more for each so many bytes of room
)

// reset forgets all nodes.
func (k *kept) reset() { k.nodes, k.used, k.over = k.nodes[:0], 0, false }

// add keeps the current part, if there is room in so many bytes.
func (k *kept) add(r *rdbparse.Reader, most int64) bool {
	if k.over = k.over || int64(len(k.nodes)) >= keptLeast+most/keptEach; k.over {
		return false
	}
	// The node may need all of the 64 KiB that Hold gives at most.
	if k.used == 0 || cap(k.chunks[k.used-1])-len(k.chunks[k.used-1]) < 64<<10 {
		if k.used > 0 && int64(k.used+1)*keptChunk > most {
			k.over = true
			return false
		}
		if k.used == len(k.chunks) {
			k.chunks = append(k.chunks, make([]byte, 0, keptChunk))
		}
		k.chunks[k.used] = k.chunks[k.used][:0]
		k.used++
	}
	c := &k.chunks[k.used-1]
	from := len(*c)
	k.nodes = append(k.nodes, keptNode{})
	n := &k.nodes[len(k.nodes)-1]
	var ok bool
	if *c, ok = r.Hold(&n.held, *c); !ok {
		k.nodes = k.nodes[:len(k.nodes)-1]
		k.over = true
		return false
	}
	n.stored = (*c)[from:]
	return true
}

// opener looks for the longest entry of a list's nodes on goroutines beside
// the one that reads: to expand them is most of the work for a large list. It
// lives for one list.
type opener struct {
	work, free chan *openJob
	wait       sync.WaitGroup
	jobs       []*openJob
}

// openJob is a node and what came of it.
type openJob struct {
	r       rdbparse.Reader
	held    rdbparse.Held
	stored  []byte
	entries [64]rdbparse.Entry
	large   int64
	err     error // the first fault
}

const (
	// openerNodes is how many nodes make it worth while.
	openerNodes = 32
	// openerJobs bounds the copies of nodes under way: 64 KiB each at most.
	openerJobs = 16
)

func (o *opener) start() {
	if o.jobs == nil {
		for range openerJobs {
			o.jobs = append(o.jobs, &openJob{})
		}
	}
	o.work, o.free = make(chan *openJob, openerJobs), make(chan *openJob, openerJobs)
	for _, j := range o.jobs {
		j.large, j.err = -1, nil
		o.free <- j
	}
	for range max(1, min(runtime.GOMAXPROCS(0)-1, openerJobs/4)) {
		o.wait.Add(1)
		go o.open()
	}
}

func (o *opener) open() {
	defer o.wait.Done()
	for j := range o.work {
		j.look()
		o.free <- j
	}
}

func (j *openJob) look() {
	for {
		n, err := j.r.Entries(j.entries[:])
		if err == io.EOF {
			return
		}
		if err != nil {
			j.err = firstFault(j.err, err)
			return
		}
		for i := range j.entries[:n] {
			j.large = max(j.large, j.entries[i].Len)
		}
	}
}

// send hands the current part over. It says false if the caller is to look at
// it: the others have enough to do.
func (o *opener) send(r *rdbparse.Reader, key []byte) bool {
	select {
	case j := <-o.free:
		var ok bool
		if j.stored, ok = r.Hold(&j.held, j.stored[:0]); !ok {
			o.free <- j
			return false
		}
		j.r.Reopen(&j.held, j.stored, key)
		o.work <- j // never blocks: there are as many jobs as places
		return true
	default:
		return false
	}
}

// sendKept is send for a node that was kept.
func (o *opener) sendKept(n *keptNode, key []byte) bool {
	select {
	case j := <-o.free:
		j.r.Reopen(&n.held, n.stored, key)
		o.work <- j
		return true
	default:
		return false
	}
}

// end waits for all nodes, and gives the longest entry, -1 if none was sent, and
// the first fault.
func (o *opener) end() (large int64, err error) {
	close(o.work)
	o.wait.Wait()
	o.work, large = nil, -1
	for _, j := range o.jobs {
		large, err = max(large, j.large), firstFault(err, j.err)
	}
	return large, err
}

// firstFault is the one of two faults that stands first in the dump.
func firstFault(a, b error) error {
	var x, y *rdbparse.Error
	if a == nil || b != nil && errors.As(a, &x) && errors.As(b, &y) && y.Offset < x.Offset {
		return b
	}
	return a
}
