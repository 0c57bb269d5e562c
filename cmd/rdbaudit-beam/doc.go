// Rdbaudit-beam reads the dumps of a fleet on an engine that people run already: Flink,
// Spark, Dataflow, or Beam's own Prism inside this program. See README.md.
//
// Reading, sums, merging and reports are rdbaudit's (internal/scan): this
// program only carries parts from where they are made to where they are merged.
package main
