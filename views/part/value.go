// Package part holds the pieces that pages are made of: numbers, tables, charts and
// controls. What a piece shows comes in its struct; nothing here computes a figure
// that is not on the screen.
package part

import (
	"time"

	"tidemark/views/format"
)

// Tones say how something stands. A tone never comes alone: a word or a shape says
// the same.
const (
	Good    = "good"
	Warn    = "warn"
	Bad     = "bad"
	Neutral = "unknown" // also: not known
	Tide    = "tide"
)

// Value is one number as it is shown. The zero Value is unknown.
type Value struct {
	Text  string // "640 ms"; "" = unknown
	Under string // in small print below: a denominator, a target
	Hint  string // on hover
	Tone  string
}

// Known reports whether there is a number.
func (v Value) Known() bool { return v.Text != "" }

// Plain is the text for a place without markup.
func (v Value) Plain() string {
	if v.Text == "" {
		return "unknown"
	}
	return v.Text
}

// Duration is the Value of a duration that may be unknown.
func Duration(ns *int64) Value {
	if ns == nil {
		return Value{}
	}
	return Value{Text: format.Duration(*ns)}
}

// Percent is the Value of a ratio with its parts below it.
func Percent(num, den int64, of string) Value {
	if den <= 0 {
		return Value{Under: "no " + of}
	}
	return Value{
		Text: format.Percent(num, den), Under: format.Short(num) + " of " + format.Short(den),
		Hint: format.Count(num) + " of " + format.Count(den) + " " + of,
	}
}

// Count is the Value of a count that may be unknown.
func Count(n *int64) Value {
	if n == nil {
		return Value{}
	}
	return Value{Text: format.Short(*n), Hint: format.Count(*n)}
}

// Link is a place to go.
type Link struct {
	Text string
	URL  string
}

// Status is a word with a shape and a tone.
type Status struct {
	Tone string
	Text string
}

// Crumb is one step of the way to a page.
type Crumb = Link

// Head is the first thing of a page: its answer in words.
type Head struct {
	Crumbs []Crumb
	Answer string
	Tone   string // "" = no sign beside the answer
	Sub    string // one or two sentences of context
	Link   Link   // where to go on; may be empty
	Status Status // may be empty
	Facts  []string
}

// Choice is one of a row of alternatives, each with its address.
type Choice struct {
	Text    string
	URL     string
	Current bool
}

// Choices is a labelled row of alternatives.
type Choices struct {
	Label string
	Items []Choice
}

// Bar is the row above a page's content.
type Bar struct {
	Range Choices
	Span  Span    // the range in force when it is not one of Range
	By    Choices // may be empty
	Reset string  // address without from and to; "" = not zoomed
	Other Times
}

// Times asks for a range of one's own, as dragging across a chart does; the zero Times
// asks for nothing.
type Times struct {
	Action string
	Keep   [][2]string // other parameters of the address: name and value
}

// field is a time for a field of a form; "" for none.
func (s Span) field(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

// Span is a stretch of time; the zero Span is none.
type Span struct{ From, To time.Time }

// Fact is a name with a number.
type Fact struct {
	Name  string
	Value Value
	URL   string
}

// Notice is something that a reader must know before the rest.
type Notice struct {
	Tone string // Tide, Warn or Bad
	Text string
	More string
	Link Link
}

// Downloads are the addresses of the same data as CSV and JSON.
type Downloads struct{ CSV, JSON string }

// Command is text to copy.
type Command struct {
	ID   string // unique on the page
	Text string
}

// Empty says why there is nothing, and what to do about it.
type Empty struct {
	Title   string
	Text    string
	Command Command // may be empty
	Link    Link
}
