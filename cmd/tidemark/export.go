package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"tidemark/flags/document"
)

// exportCmd is "tidemark export".
type exportCmd struct {
	remoteFlags
	dataFlag

	Format string `help:"Form: yaml, which apply reads back; flagd (the flags as a stock flagd takes them, with rollouts written out as targeting); openslo (OpenSLO v1, active guarantees)." enum:"yaml,flagd,openslo" default:"yaml"`
	Drafts bool   `help:"With yaml: drafts in the place of the versions that are in force beside them."`
}

// Run implements the verb.
func (c *exportCmd) Run(e *env) error {
	if err := checkPlace(c.remoteFlags, c.Data); err != nil {
		return err
	}
	if c.Drafts && c.Format != "yaml" {
		return usagef("--drafts goes with --format yaml; %s has no drafts", c.Format)
	}
	text, err := c.read(e)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) { // They stand at the top.
		about, ok := bytes.CutPrefix(line, []byte(document.LeftOut))
		if !ok {
			break
		}
		fmt.Fprintf(e.stderr, "left out: %s; --drafts writes it instead\n", bytes.TrimSuffix(bytes.TrimSpace(about), []byte(".")))
	}
	_, err = e.stdout.Write(text)
	return err //nolint:wrapcheck // There is nothing to add.
}

func (c *exportCmd) read(e *env) (text []byte, err error) {
	if c.To != "" {
		query := url.Values{"format": {c.Format}}
		if c.Drafts {
			query.Set("drafts", "true")
		}
		err = c.call(e.ctx, http.MethodGet, "/api/v1/documents?"+query.Encode(), nil, &text)
		return text, err
	}
	cat, closeStore, err := openCatalogue(e, c.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	switch c.Format {
	case "flagd":
		return cat.Flagd()
	case "openslo":
		return cat.OpenSLO(e.ctx)
	}
	return cat.Export(e.ctx, c.Drafts)
}
