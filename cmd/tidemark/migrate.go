package main

import (
	"encoding/json"
	"fmt"

	"tidemark/cmd/internal/app"
)

// migrateCmd is "tidemark migrate".
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" default:"withargs" help:"Bring the schema of a stopped store up to date; serve does so too."`
	Status migrateStatusCmd `cmd:"" help:"Print the schema of each file and the newest that this program has; changes nothing."`
}

// migrateUpCmd is "tidemark migrate up".
type migrateUpCmd struct {
	dataFlag
}

// Run implements the verb: opening a store brings its schema up to date.
func (c *migrateUpCmd) Run(e *env) error {
	a, err := c.stopped(e)
	if err != nil {
		return err
	}
	if err := a.Open(e.ctx); err != nil {
		return err
	}
	if err := a.Stop(e.ctx); err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "The schema of %s is up to date.\n", c.Data)
	return nil
}

// migrateStatusCmd is "tidemark migrate status".
type migrateStatusCmd struct {
	dataFlag

	JSON bool `help:"Print a JSON object." name:"json"`
}

// Run implements the verb.
func (c *migrateStatusCmd) Run(e *env) error {
	o, err := c.options(e)
	if err != nil {
		return err
	}
	files, err := app.Schemas(e.ctx, o.Data)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"files": files})
	}
	for _, f := range files {
		state := "up to date"
		switch {
		case f.Schema > f.Known:
			state = fmt.Sprintf("newer than this program, which knows up to %d", f.Known)
		case f.Schema < f.Known:
			state = fmt.Sprintf("tidemark migrate brings it to %d", f.Known)
		}
		if _, err := fmt.Fprintf(e.stdout, "%s\t%d\t%s\n", f.Name, f.Schema, state); err != nil {
			return err
		}
	}
	return nil
}
