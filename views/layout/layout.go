// Package layout is the frame of every page: navigation, search, the key list, and
// the document around them.
package layout

import (
	"time"

	"tidemark/static"
	"tidemark/views/part"
)

// Frame is what the frame shows.
type Frame struct {
	Title   string    // of the document, without the product's name
	Current string    // address of the navigation item in force
	Now     time.Time // the server's, when the page was made
	Topic   string    // of the page's stream; "" = the page is not live
	Polls   bool      // a live page asks now and then, instead of being told
	Search  string    // what was searched for
	User    string    // who is signed in
	SignOut string    // where a POST signs out; "" = cannot
	Version string    // of the program
	Alerts  int       // that fire; −1 = not known
	// Conflicts that need a person; −1 = not known.
	Conflicts int
	Charts    bool // the page has drawings that scripts make better
}

type item struct {
	text, url, icon string
	count           int
	tone, what      string
}

type group struct {
	name  string
	items []item
}

func (f Frame) nav() []group {
	return []group{
		{"", []item{
			{text: "Overview", url: "/", icon: "overview"},
			{text: "Topology", url: "/topology", icon: "topology"},
			{text: "Writes", url: "/writes", icon: "writes"},
			{text: "Conflicts", url: "/conflicts", icon: "conflicts", count: f.Conflicts, tone: part.Warn, what: "need a person"},
			{text: "Violations", url: "/violations", icon: "violations"},
		}},
		{"Control", []item{
			{text: "Rollouts", url: "/rollouts", icon: "rollouts"},
			{text: "Flags", url: "/flags", icon: "flags"},
			{text: "Cohorts", url: "/cohorts", icon: "cohorts"},
		}},
		{"Promises", []item{
			{text: "Guarantees", url: "/guarantees", icon: "guarantees"},
			{text: "Rules", url: "/rules", icon: "rules"},
			{text: "Alerts", url: "/alerts", icon: "alerts", count: f.Alerts, tone: part.Bad, what: "firing"},
		}},
		{"Trust", []item{
			{text: "Pipeline", url: "/pipeline", icon: "pipeline"},
			{text: "Policies", url: "/policies", icon: "policies"},
			{text: "Labels", url: "/labels", icon: "labels"},
			{text: "Audit", url: "/audit", icon: "audit"},
			{text: "Access", url: "/access", icon: "access"},
		}},
	}
}

type shortcut struct {
	keys []string
	text string
}

func shortcuts() []shortcut {
	return []shortcut{
		{[]string{"/"}, "Search for a feature, a write or a key"},
		{[]string{"j"}, "Next row"},
		{[]string{"k"}, "Previous row"},
		{[]string{"p"}, "Pause or resume live changes"},
		{[]string{"g", "o"}, "Go to the overview"},
		{[]string{"g", "t"}, "Go to the topology"},
		{[]string{"g", "c"}, "Go to conflicts"},
		{[]string{"g", "r"}, "Go to rollouts"},
		{[]string{"g", "f"}, "Go to flags"},
		{[]string{"g", "g"}, "Go to guarantees"},
		{[]string{"g", "m"}, "Go to rules (how writes merge)"},
		{[]string{"g", "a"}, "Go to alerts"},
		{[]string{"g", "p"}, "Go to the pipeline"},
		{[]string{"g", "u"}, "Go to the audit log"},
		{[]string{"?"}, "This list"},
	}
}

// htmxConfig switches off what a strict Content-Security-Policy forbids, keeps what the
// reader opened open, and what is shown while the server is too busy to show it anew.
const htmxConfig = `{"includeIndicatorCSS":false,"noSwap":[204,304,429,503],"defaultTimeout":15000,"morphIgnore":["data-htmx-powered","open"],"extensions":"none"}`

const (
	htmx   = "vendor/htmx.min.js"
	uplot  = "vendor/uplot.min.js"
	uplotC = "vendor/uplot.min.css"
)

// lacking says what the program was built without; "" when it is whole.
func lacking() string {
	if len(static.Missing()) == 0 {
		return ""
	}
	return "This build lacks third-party browser code: pages do not update by themselves and charts cannot be zoomed. “make generate” before building adds it."
}
