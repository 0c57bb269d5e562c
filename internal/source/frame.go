package source

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// What a primary sends to a replica: maybe +FULLRESYNC and newlines that keep
// the connection alive, then $LENGTH or $EOF:MARK, then the dump, then the mark
// again, then commands (replication.c@redis-8.6.3 readSyncBulkPayload).

const markSize = 40

// framing recognises the head of a transfer: its length, and the number of
// bytes of the dump or else the mark at its end. skip is 0 if it is none.
func framing(head []byte) (skip int, length int64, mark []byte) {
	rest := bytes.TrimLeft(head, "\r\n")
	if bytes.HasPrefix(rest, []byte("+FULLRESYNC ")) {
		if _, after, ok := bytes.Cut(rest, []byte("\r\n")); ok {
			rest = bytes.TrimLeft(after, "\r\n")
		}
	}
	line, _, ok := bytes.Cut(rest, []byte("\r\n"))
	if !ok || len(line) < 2 || line[0] != '$' {
		return 0, 0, nil
	}
	skip = len(head) - len(rest) + len(line) + 2
	if mark, is := bytes.CutPrefix(line, []byte("$EOF:")); is {
		if len(mark) != markSize {
			return 0, 0, nil
		}
		return skip, -1, bytes.Clone(mark)
	}
	n, err := strconv.ParseInt(string(line[1:]), 10, 64)
	if err != nil || n < 0 {
		return 0, 0, nil
	}
	return skip, n, nil
}

// framed reads a transfer of a known length, and what follows it.
type framed struct {
	io.Reader
	length, got int64
}

func (f *framed) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.got += int64(n)
	if err == io.EOF && f.got < f.length {
		err = fmt.Errorf("the transfer announces %d bytes and ends after %d", f.length, f.got)
	}
	return n, err
}

// marked reads a transfer that ends in a mark, without the mark, and what
// follows it. The server drew the mark by lot when it began to send.
type marked struct {
	in   io.Reader
	mark []byte
	buf  []byte // read, of which buf[pos:safe] can be handed out
	pos  int
	safe int
	seen bool
	err  error
}

func (m *marked) Read(p []byte) (int, error) {
	for m.pos == m.safe {
		if m.seen && m.safe == len(m.buf) && m.err == nil {
			return m.in.Read(p)
		}
		if m.err != nil {
			if m.pos < len(m.buf) { // what could have been the begin of the mark
				m.safe = len(m.buf)
				break
			}
			if m.err == io.EOF && !m.seen {
				return 0, fmt.Errorf("the transfer ends without its end mark")
			}
			return 0, m.err
		}
		m.more()
	}
	n := copy(p, m.buf[m.pos:m.safe])
	m.pos += n
	return n, nil
}

// more reads on and looks for the mark.
func (m *marked) more() {
	if m.buf == nil {
		m.buf = make([]byte, 0, 256<<10)
	}
	n := copy(m.buf[:cap(m.buf)], m.buf[m.pos:])
	m.buf, m.pos, m.safe = m.buf[:n], 0, 0
	got, err := m.in.Read(m.buf[n:cap(m.buf)])
	m.buf, m.err = m.buf[:n+got], err
	if i := bytes.Index(m.buf, m.mark); !m.seen && i >= 0 {
		m.seen = true
		m.buf = append(m.buf[:i], m.buf[i+markSize:]...)
	}
	if m.safe = len(m.buf); !m.seen {
		m.safe = max(0, len(m.buf)-markSize+1)
	}
}
