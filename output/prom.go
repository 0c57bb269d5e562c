package output

import "io"

func writeProm(w io.Writer, r *Report) error { return nil }
