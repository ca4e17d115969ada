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
	"tidemark/flags/document"
	"tidemark/flags/guarantee"
)

// applyCmd is "tidemark apply".
type applyCmd struct {
	remoteFlags
	dataFlag

	File   string `short:"f" required:"" help:"Folder or file of documents, or a flagd file as it is (YAML or JSON); - is standard input." placeholder:"DIR|FILE"`
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
	if docs.Len() == 0 {
		return fmt.Errorf("%s holds no document", c.File)
	}
	var plan *planned
	if c.To != "" {
		plan, err = c.remote(e, docs)
	} else {
		plan, err = c.local(e, docs)
	}
	if plan != nil {
		if perr := c.print(plain{e.stdout}, plan); perr != nil {
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

func (c *applyCmd) local(e *env, docs *document.Batch) (p *planned, err error) {
	cat, closeStore, err := openCatalogue(e, c.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	var plan *guarantee.Plan
	by := flags.Author{Actor: cliActor(), Reason: c.Reason}
	if c.DryRun {
		plan, err = cat.Plan(e.ctx, docs, by)
	} else {
		plan, err = cat.Apply(e.ctx, docs, by)
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

func (c *applyCmd) remote(e *env, docs *document.Batch) (*planned, error) {
	path, query := "/api/v1/documents/apply", url.Values{}
	if c.DryRun {
		path = "/api/v1/documents/plan"
	} else if c.Reason != "" {
		query.Set("reason", c.Reason)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body, sources, err := document.Encode("body", docs)
	if err != nil {
		return nil, err
	}
	if len(body) > document.MaxBytes {
		return nil, fmt.Errorf("%s is %d bytes to send; a server takes at most %d at once", c.File, len(body), document.MaxBytes)
	}
	var p planned
	if err := c.call(e.ctx, http.MethodPost, path, body, &p); err != nil {
		return documentError(err, sources)
	}
	p.from(sources)
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
	for _, n := range s.Notes {
		fmt.Fprintf(b, "    note: %s\n", n)
	}
}
