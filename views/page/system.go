package page

import "tidemark/views/part"

// Topology answers: which edge is slow?
type Topology struct {
	Head    part.Head
	Bar     part.Bar
	Notices []part.Notice
	Graph   part.Graph
	Edges   Section
	Nodes   Section
}

// Pipeline answers: is the telemetry itself sound?
type Pipeline struct {
	Head     part.Head
	Notices  []part.Notice
	Facts    []part.Fact
	Get      part.Downloads
	Rejected Section
	Attempts Section // that policies refused
	Sources  Section
	Clocks   Section
	Store    []part.Fact
}

// Problem is an error as a person reads it.
type Problem struct {
	Status  int
	Title   string // the first line, in words
	Text    string // what happened, what to do
	Field   string // of the request, when one is wrong
	Request string // the request's id, for the log
	Back    part.Link
}

// Docs is the API's own page.
type Docs struct {
	Head   part.Head
	Groups []RouteGroup
	Spec   part.Link
}

// RouteGroup is a heading with its routes.
type RouteGroup struct {
	Name   string
	Routes []Route
}

// Route is one operation of the API.
type Route struct {
	Method, Path, Text, Needs string
	More                      string     // a paragraph; may be empty
	Parameters                part.Table // may have no row
}

func problemTone(status int) string {
	if status >= 500 {
		return part.Bad
	}
	return part.Warn
}
