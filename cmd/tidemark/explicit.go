package main

import (
	"reflect"

	"github.com/alecthomas/kong"
)

// preferExplicit makes what was typed win over what the environment or a file says
// of the other place: with TIDEMARK_URL set, --data DIR is about that folder, and the
// other way round. Both typed, or neither, is for the verb to judge.
func preferExplicit(ctx *kong.Context) {
	typed := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			typed[p.Flag.Name] = true
		}
	}
	if typed["data"] == typed["to"] {
		return
	}
	other := "to"
	if typed["to"] {
		other = "data"
	}
	for _, f := range ctx.Flags() {
		if f.Name == other && f.Target.Kind() == reflect.String {
			f.Target.SetString("")
		}
	}
}
