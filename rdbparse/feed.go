package rdbparse

import (
	"errors"
	"io"
	"sync"
)

const (
	// headroom is how many unread bytes can be carried into the next stretch
	// of input, and so the most that a reader can ask to see at once.
	headroom = 64 << 10
	// stretchSize is how much is read at a time.
	stretchSize = 512 << 10
)

// stretch is a piece of input in memory.
type stretch struct {
	buf    []byte // headroom free bytes, then data
	end    int    // the data is buf[headroom:end]
	crc    uint64 // checksum of all input before the data
	err    error  // why there is no more after this, io.EOF at the end
	sums   bool   // crc is kept
	own    uint64 // checksum of the data alone, if it was summed when it was read
	summed bool
	pos    int // for Read only
}

// closedStretch is what there is after Close.
func closedStretch() stretch {
	return stretch{buf: make([]byte, headroom), end: headroom, pos: headroom, err: io.ErrClosedPipe}
}

// read fills the stretch.
func (s *stretch) read(in io.Reader) {
	n, err := readFull(in, s.buf[headroom:])
	s.end, s.err, s.pos, s.summed = headroom+n, err, headroom, false
}

// sumUp computes the checksum of the stretch alone.
func (s *stretch) sumUp() {
	s.own, s.summed = updateCRC(0, s.buf[headroom:s.end]), true
}

// copy is io.Reader's Read, of the stretch and what feed gives after it.
func (s *stretch) copy(p []byte, feed func([]byte) stretch) (int, error) {
	if s.buf == nil || s.pos == s.end {
		if s.err != nil {
			return 0, s.err
		}
		feed(nil) // s is the next now
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	if n == 0 && s.pos == s.end {
		return 0, s.err
	}
	return n, nil
}

// sum is the checksum of all that was handed out.
type sum struct {
	on     bool
	crc    uint64
	factor uint64 // crcFactor of a whole stretch
}

// add notes the checksum before the stretch in it, and goes on behind it.
func (c *sum) add(s *stretch) {
	if s.crc, s.sums = c.crc, c.on; !c.on {
		return
	}
	data := s.buf[headroom:s.end]
	switch {
	case !s.summed:
		c.crc = updateCRC(c.crc, data)
	case len(data) == stretchSize:
		c.crc = crcTimes(c.crc, c.factor) ^ s.own
	default:
		c.crc = crcTimes(c.crc, crcFactor(int64(len(data)))) ^ s.own
	}
}

// feeder hands out the input stretch by stretch. What it has handed out is
// valid until the next call. After a stretch with an error there is none.
type feeder interface {
	feed(carry []byte) stretch
}

// directFeeder reads and sums when asked: for small inputs and tests.
type directFeeder struct {
	in   io.Reader
	last stretch
	skip *bool // no checksum wanted
}

func (f *directFeeder) feed(carry []byte) stretch {
	s := &f.last
	if s.buf == nil {
		s.buf, s.end = make([]byte, headroom+stretchSize), headroom
	}
	if s.sums = !*f.skip; s.sums {
		s.crc = updateCRC(s.crc, s.buf[headroom:s.end])
	}
	copy(s.buf[headroom-len(carry):], carry)
	n, err := readFull(f.in, s.buf[headroom:])
	s.end, s.err = headroom+n, err
	return *s
}

// readFull fills p or says why it could not: io.EOF at the end, which may
// come together with bytes.
func readFull(in io.Reader, p []byte) (int, error) {
	n, idle := 0, 0
	for n < len(p) {
		m, err := in.Read(p[n:])
		if m < 0 || m > len(p)-n {
			return n, errors.New("reader returned an impossible count")
		}
		n += m
		if err != nil {
			return n, err
		}
		if idle++; m > 0 {
			idle = 0
		} else if idle > 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// Ahead reads an input on a goroutine of its own, a bounded number of bytes
// ahead of its reader, so that it costs the parser no time. What it has read is
// checksummed there, too, while the parser is behind; a parser that would have
// to wait for the input does that itself. Give it to NewReader, and Close it in
// the end.
type Ahead struct {
	full, free chan stretch
	stop       chan struct{}
	once       sync.Once
	done       sync.WaitGroup
	last       stretch
	sum        sum
}

// stretchesAhead bounds the memory of an Ahead: this many stretches are in
// flight between the two goroutines.
const stretchesAhead = 4

// ReadAhead starts to read in. The checksum is kept unless skipChecksum says
// that nobody wants it.
func ReadAhead(in io.Reader, skipChecksum bool) *Ahead {
	a := &Ahead{
		full: make(chan stretch, stretchesAhead),
		free: make(chan stretch, stretchesAhead),
		stop: make(chan struct{}),
		sum:  sum{on: !skipChecksum, factor: crcFactor(stretchSize)},
	}
	for range stretchesAhead {
		a.free <- stretch{buf: make([]byte, headroom+stretchSize)}
	}
	a.done.Add(1)
	go a.run(in)
	return a
}

func (a *Ahead) run(in io.Reader) {
	defer a.done.Done()
	defer close(a.full)
	for {
		var s stretch
		select {
		case s = <-a.free:
		case <-a.stop:
			return
		}
		if s.read(in); a.sum.on && len(a.full) > 0 {
			s.sumUp()
		}
		select {
		case a.full <- s:
		case <-a.stop:
			return
		}
		if s.err != nil {
			return
		}
	}
}

func (a *Ahead) feed(carry []byte) stretch {
	s, ok := <-a.full
	if !ok { // closed
		s = closedStretch()
	}
	a.sum.add(&s)
	copy(s.buf[headroom-len(carry):], carry)
	if a.last.buf != nil {
		a.free <- a.last // never blocks: there are stretchesAhead in all
	}
	a.last = s
	return s
}

// Read makes an Ahead an io.Reader. NewReader does not use it.
func (a *Ahead) Read(p []byte) (int, error) { return a.last.copy(p, a.feed) }

// Close stops the goroutine. It waits for a read that is under way; it does
// not close the input.
func (a *Ahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	a.done.Wait()
	return nil
}
