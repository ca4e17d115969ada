package report

import (
	"strconv"
	"strings"
	"time"
)

// Tabler is an answer that can be shown as a table: one header and rows as wide as
// it. Unknown is the empty cell, never 0. Times are RFC 3339 in UTC, durations
// integers in nanoseconds.
type Tabler interface {
	Table() (header []string, rows [][]string)
}

// column is one column of a table of T.
type column[T any] struct {
	name string
	cell func(*T) string
}

func tabulate[T any](rows []T, columns ...column[T]) (header []string, cells [][]string) {
	for _, c := range columns {
		header = append(header, c.name)
	}
	cells = make([][]string, len(rows))
	for i := range rows {
		cells[i] = make([]string, len(columns))
		for j, c := range columns {
			cells[i][j] = c.cell(&rows[i])
		}
	}
	return header, cells
}

func col[T any](name string, cell func(*T) string) column[T] { return column[T]{name, cell} }

// ratioColumns are the value, numerator and denominator of a rate.
func ratioColumns[T any](name string, get func(*T) Ratio) []column[T] {
	return []column[T]{
		{name, func(t *T) string { return optFloat(get(t).Value) }},
		{name + "_numerator", func(t *T) string { return integer(get(t).Numerator) }},
		{name + "_denominator", func(t *T) string { return integer(get(t).Denominator) }},
	}
}

// quantileColumns are the percentiles with their counts.
func quantileColumns[T any](name string, get func(*T) *Quantiles) []column[T] {
	return []column[T]{
		{name + "p50_ns", func(t *T) string { return optInt(get(t).P50) }},
		{name + "p95_ns", func(t *T) string { return optInt(get(t).P95) }},
		{name + "p99_ns", func(t *T) string { return optInt(get(t).P99) }},
		{name + "count", func(t *T) string { return integer(get(t).Count) }},
		{name + "negative", func(t *T) string { return integer(get(t).Negative) }},
	}
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }

func optInt(p *int64) string {
	if p == nil {
		return ""
	}
	return integer(*p)
}

func optFloat(p *float64) string {
	if p == nil {
		return ""
	}
	return decimal(*p)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', 9, 64) }

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func optStamp(p *int64) string {
	if p == nil {
		return ""
	}
	return stamp(*p)
}

func names(list []string) string { return strings.Join(list, " ") }
