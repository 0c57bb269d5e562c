package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"rdbaudit/output"
)

// progress shows on stderr how far reading has come: a bar on terminals, a line
// every ten seconds if asked, nothing otherwise.
type progress struct {
	mode  string
	w     io.Writer
	draw  *sync.Mutex
	bar   *progressbar.ProgressBar
	room  int // columns for the label
	total int64
	begun time.Time
	now   func() time.Time
	stop  chan struct{}
	once  sync.Once
	done  sync.WaitGroup
	bytes func() int64
	label func() string
}

// startProgress begins to show what bytes and label say. total is -1 if unknown.
func startProgress(e *env, mode string, total int64, bytes func() int64, label func() string) *progress {
	if mode == "auto" {
		mode = "none"
		if e.stderrTerm {
			mode = "bar"
		}
	}
	p := &progress{mode: mode, w: e.stderr, draw: &e.drawing, total: total, now: e.now, bytes: bytes, label: label, stop: make(chan struct{})}
	if mode == "none" {
		return p
	}
	p.begun = p.now()
	every := 10 * time.Second
	if mode == "bar" {
		every = 100 * time.Millisecond
		// A bar that does not fit a line would fill the screen.
		wide := e.barWidth >= 64
		p.room = max(8, e.barWidth-24)
		if wide {
			p.room = e.barWidth - 52
		}
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(e.stderr), progressbar.OptionShowBytes(wide), progressbar.OptionUseIECUnits(true),
			func(b *progressbar.ProgressBar) {
				if wide {
					progressbar.OptionShowCount()(b)
				}
			},
			progressbar.OptionUseANSICodes(e.stderrTerm),
			progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(65*time.Millisecond), progressbar.OptionSpinnerType(14), progressbar.OptionFullWidth(),
			progressbar.OptionSetSpinnerChangeInterval(0)) // no goroutine of its own, which would draw after the end
	}
	p.done.Add(1)
	go p.run(every)
	return p
}

func (p *progress) run(every time.Duration) {
	defer p.done.Done()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.show()
		}
	}
}

func (p *progress) show() {
	n := p.bytes()
	p.draw.Lock()
	defer p.draw.Unlock()
	if p.bar != nil {
		if label := p.label(); label != "" { // between the last dump and the end
			p.bar.Describe(cutTo(output.Printable(label), p.room))
		}
		p.bar.Set64(n)
		return
	}
	s := p.now().Sub(p.begun).Seconds()
	rate := int64(float64(n) / max(s, 0.001))
	if p.total > 0 {
		fmt.Fprintf(p.w, "%s: %s of %s read, %s/s, %s left\n", output.Printable(p.label()), output.Bytes(n), output.Bytes(p.total), output.Bytes(rate),
			output.Duration((p.total-n)/max(rate, 1)))
		return
	}
	fmt.Fprintf(p.w, "%s: %s read, %s/s\n", output.Printable(p.label()), output.Bytes(n), output.Bytes(rate))
}

// end takes the bar away. Further calls do nothing.
func (p *progress) end() {
	if p.mode == "none" {
		return
	}
	p.once.Do(func() {
		close(p.stop)
		p.done.Wait()
		if p.bar != nil {
			p.bar.Clear()
		}
	})
}
