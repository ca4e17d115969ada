package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"tidemark/flags"
	"tidemark/flags/guarantee"
)

// applyCmd is "tidemark apply".
type applyCmd struct {
	remoteFlags
	dataFlag

	File   string `short:"f" required:"" help:"Folder or file of documents (YAML or JSON); - is standard input." placeholder:"DIR|FILE"`
	DryRun bool   `help:"Say what would change, and change nothing."`
	Reason string `help:"Why, for the history and the audit log." placeholder:"TEXT"`
	JSON   bool   `name:"json" help:"Print the plan as JSON."`
}

// Run implements the verb.
func (c *applyCmd) Run(e *env) error {
	if err := checkPlace(c.remoteFlags, c.Data); err != nil {
		return err
	}
	docs, err := readDocumentsFrom(e, c.File)
	if err != nil {
		return err
	}
	if len(docs) == 0 {
		return fmt.Errorf("%s holds no document", c.File)
	}
	var plan *planned
	if c.To != "" {
		plan, err = c.remote(e, docs)
	} else {
		plan, err = c.local(e, docs)
	}
	if plan != nil {
		if perr := c.print(e.stdout, plan); perr != nil {
			return errors.Join(err, perr)
		}
	}
	if err != nil {
		return err
	}
	for i := range plan.Steps {
		if plan.Steps[i].Action == guarantee.ActionRefused {
			return errors.New("the plan cannot be applied")
		}
	}
	return nil
}

func (c *applyCmd) local(e *env, docs []flags.Document) (p *planned, err error) {
	cat, closeStore, err := openCatalogue(e, c.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	var plan *guarantee.Plan
	if c.DryRun {
		plan, err = cat.Plan(e.ctx, docs)
	} else {
		plan, err = cat.Apply(e.ctx, docs, guarantee.Author{Actor: cliActor(), Reason: c.Reason})
	}
	if plan == nil {
		return nil, err
	}
	p = &planned{Applied: err == nil && !c.DryRun, Summary: plan.Summary(), Steps: plan.Steps}
	if errors.Is(err, flags.ErrRefused) {
		err = nil // the printed plan says why
	}
	return p, err
}

func (c *applyCmd) remote(e *env, docs []flags.Document) (*planned, error) {
	path, query := "/api/v1/documents/apply", url.Values{}
	if c.DryRun {
		path = "/api/v1/documents/plan"
	} else if c.Reason != "" {
		query.Set("reason", c.Reason)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var p planned
	if err := c.call(e.ctx, http.MethodPost, path, guarantee.EncodeAll(docs), &p); err != nil {
		return documentError(err)
	}
	return &p, nil
}

func (c *applyCmd) print(w io.Writer, p *planned) error {
	if c.JSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(p) //nolint:wrapcheck // There is nothing to add.
	}
	var b strings.Builder
	for i := range p.Steps {
		printStep(&b, &p.Steps[i])
	}
	b.WriteString(p.Summary)
	if !p.Applied {
		b.WriteString(" Nothing was changed.")
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err //nolint:wrapcheck // There is nothing to add.
}

func printStep(b *strings.Builder, s *guarantee.Step) {
	mark := map[guarantee.Action]string{
		guarantee.ActionCreate: "+", guarantee.ActionUpdate: "~", guarantee.ActionUnchanged: "=", guarantee.ActionRefused: "!",
	}[s.Action]
	versions := s.To
	if s.From != "" && s.From != s.To {
		versions = s.From + " → " + s.To
	}
	fmt.Fprintf(b, "%s %s %s (%s)\n", mark, s.ID(), versions, s.Action)
	if s.Action == guarantee.ActionUpdate || s.Action == guarantee.ActionRefused {
		for _, d := range s.Diff {
			fmt.Fprintf(b, "    %s\n", d.Words)
		}
	}
	if s.Action == guarantee.ActionUpdate {
		for _, w := range s.Weakened {
			fmt.Fprintf(b, "    weaker, by a new major version: %s\n", w.Message)
		}
	}
	for _, r := range s.Refusals {
		fmt.Fprintf(b, "    refused: %s\n", r)
	}
}
