package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"tidemark/flags/eval"
	"tidemark/flags/guarantee"
	"tidemark/web/api"
)

// evalCmd is "tidemark eval".
type evalCmd struct {
	remoteFlags `embed:""`

	Flag    string `arg:"" help:"Key of the flag."`
	Context string `help:"The evaluation context, a JSON object such as {\"targetingKey\":\"user-7\"}; @FILE reads it from a file, - from standard input." default:"{}" placeholder:"JSON"`
	File    string `help:"Take the flag from a flagd file (JSON or YAML) instead of a server." placeholder:"FILE" type:"existingfile"`
	JSON    bool   `help:"Print the answer and its steps as JSON." name:"json"`
}

// maxContext bounds what is read of a context, in bytes.
const maxContext = 1 << 20

// Run implements the verb.
func (c *evalCmd) Run(e *env) error {
	context, err := c.context(e)
	if err != nil {
		return err
	}
	var x api.Explained
	if c.File != "" {
		x, err = c.offline(e, context)
	} else {
		err = c.call(e.ctx, http.MethodPost, "/api/v1/flags/"+url.PathEscape(c.Flag)+"/evaluate", api.EvaluateRequest{Context: context}, &x)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(e.stdout, &x)
	} else {
		err = printExplained(plain{e.stdout}, &x)
	}
	if err == nil && x.Code != "" {
		err = fmt.Errorf("%s: %s", x.Code, x.Details)
	}
	return err
}

func (c *evalCmd) context(e *env) (ctx eval.Context, err error) {
	text := []byte(c.Context)
	switch name, file := strings.CutPrefix(c.Context, "@"); {
	case file:
		text, err = os.ReadFile(name)
	case c.Context == "-":
		text, err = io.ReadAll(io.LimitReader(e.stdin, maxContext+1))
	}
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	if len(text) > maxContext {
		return nil, fmt.Errorf("context: it is larger than %d bytes", maxContext)
	}
	if err := json.Unmarshal(text, &ctx); err != nil {
		return nil, usagef("context: want a JSON object: %w", err)
	}
	return ctx, nil
}

// offline evaluates as a server would that had nothing but the file.
func (c *evalCmd) offline(e *env, ctx eval.Context) (x api.Explained, err error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return x, fmt.Errorf("file: %w", err)
	}
	if info.Size() > guarantee.MaxFileBytes {
		return x, fmt.Errorf("file: %s is %d bytes; at most %d are allowed", c.File, info.Size(), guarantee.MaxFileBytes)
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return x, fmt.Errorf("file: %w", err)
	}
	d, err := eval.ParseFlagd(text)
	if err != nil {
		return x, fmt.Errorf("%s: %w", c.File, err)
	}
	set, err := eval.Compile(d)
	if err != nil {
		return x, fmt.Errorf("%s: %w", c.File, err)
	}
	return api.ViewExplanation(set.Explain(c.Flag, ctx, e.now())), nil
}

func printExplained(w io.Writer, x *api.Explained) error {
	var b strings.Builder
	value := string(x.Value)
	if x.Value == nil || value == "null" {
		value = "the default in the code"
	}
	fmt.Fprintf(&b, "%s = %s\n", x.Flag, value)
	if x.Variant != "" {
		fmt.Fprintf(&b, "variant %s, ", x.Variant)
	}
	fmt.Fprintf(&b, "reason %s\n\n", x.Reason)
	for i, s := range x.Steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s.Words)
		if s.Path != "" {
			fmt.Fprintf(&b, "   %s", s.Path)
			if s.Rule != "" {
				fmt.Fprintf(&b, "  %s", s.Rule)
			}
			b.WriteByte('\n')
		}
		for _, r := range s.Ranges {
			mark := " "
			if r.Hit {
				mark = ">"
			}
			fmt.Fprintf(&b, " %s %s %d to %d of %d\n", mark, r.Variant, r.From, r.To, s.Total)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
