// Package segment turns runs of events into immutable bytes and back: one column
// after the other, repeated strings once, identifiers in binary, times as
// differences, then compressed, with a checksum over it all.
//
// # Layout
//
// A segment is a CRC-32C (4 bytes, little endian, over what follows), a format byte
// (1), the counts and section lengths as uvarints, and three sections:
//
//	find    the columns that say which write, key and session an event is of
//	rest    all other columns
//	binary  the bytes of identifiers, which do not compress
//
// find and rest are zstd frames. Columns stand in a fixed order. A text column is a
// list of distinct values in order of first appearance and one code a row: 0 is
// the empty string, 1 the next new value, 2+d the value d places before the newest. A
// column whose rows all equal the first row of the same write ("follows") has codes
// for those first rows alone.
package segment
