package estimate

import (
	"errors"
	"io"
	"runtime"
	"sync"

	"rdbaudit/rdbparse"
)

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
func (o *opener) send(r *rdbparse.Reader) bool {
	select {
	case j := <-o.free:
		if !r.CopyPart(&j.r) {
			o.free <- j
			return false
		}
		o.work <- j // never blocks: there are as many jobs as places
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
