package api

import (
	"context"
	_ "embed" // For the description below.
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/goccy/go-yaml"
	"github.com/labstack/echo/v4"

	"tidemark/web/respond"
)

//go:embed openapi.yaml
var spec []byte

// Spec is the OpenAPI description of the API.
func Spec() []byte { return slices.Clone(spec) }

func (a *API) getSpec(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", spec)
}

// Endpoint is one operation of the description.
type Endpoint struct {
	Method, Path string
	Summary      string   `yaml:"summary"`
	Description  string   `yaml:"description"`
	Permission   string   `yaml:"x-permission"`
	Tags         []string `yaml:"tags"`
	Parameters   []param  `yaml:"parameters"`
}

type param struct {
	Ref         string `yaml:"$ref"`
	Name        string `yaml:"name"`
	In          string `yaml:"in"`
	Required    bool   `yaml:"required"`
	Description string `yaml:"description"`
}

// description is the part of the description that the page shows.
type description struct {
	Info struct {
		Title, Summary, Description string
	}
	Tags []struct {
		Name, Description string
	}
	Paths      map[string]map[string]yamlNode
	Components struct {
		Parameters map[string]param
	}
}

// yamlNode keeps a part of the document until its form is known: beside its
// operations a path holds a list of parameters.
type yamlNode struct{ raw []byte }

// UnmarshalYAML keeps the bytes.
func (n *yamlNode) UnmarshalYAML(b []byte) error {
	n.raw = slices.Clone(b)
	return nil
}

// Endpoints lists the operations of the description, by path, then method.
func Endpoints() ([]Endpoint, error) {
	d, err := parseSpec()
	if err != nil {
		return nil, err
	}
	return d.endpoints()
}

func parseSpec() (*description, error) {
	// Anchors are resolved by reading the whole document once, as any value.
	var whole map[string]any
	if err := yaml.Unmarshal(spec, &whole); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	flat, err := yaml.Marshal(whole)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	var d description
	if err := yaml.Unmarshal(flat, &d); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &d, nil
}

func (d *description) endpoints() ([]Endpoint, error) {
	var out []Endpoint
	for path, ops := range d.Paths {
		var shared []param
		if n, ok := ops["parameters"]; ok {
			if err := yaml.Unmarshal(n.raw, &shared); err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s: %w", path, err)
			}
		}
		for method, n := range ops {
			if method == "parameters" {
				continue
			}
			e := Endpoint{}
			if err := yaml.Unmarshal(n.raw, &e); err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s %s: %w", method, path, err)
			}
			e.Method, e.Path = strings.ToUpper(method), path
			e.Parameters = d.resolve(append(slices.Clone(shared), e.Parameters...))
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Endpoint) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return out, nil
}

func (d *description) resolve(ps []param) []param {
	for i, p := range ps {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			ps[i] = d.Components.Parameters[name]
		}
	}
	return ps
}

// docsView is what the page of the API shows.
type docsView struct {
	Title, Summary, Description string
	Groups                      []docsGroup
}

type docsGroup struct {
	Name, Description string
	Endpoints         []Endpoint
}

func docs() (docsView, error) {
	d, err := parseSpec()
	if err != nil {
		return docsView{}, err
	}
	all, err := d.endpoints()
	if err != nil {
		return docsView{}, err
	}
	v := docsView{Title: d.Info.Title, Summary: d.Info.Summary, Description: d.Info.Description}
	for _, t := range d.Tags {
		g := docsGroup{Name: t.Name, Description: t.Description}
		for _, e := range all {
			if len(e.Tags) > 0 && e.Tags[0] == t.Name {
				g.Endpoints = append(g.Endpoints, e)
			}
		}
		v.Groups = append(v.Groups, g)
	}
	return v, nil
}

// Group is a heading of the description with its operations.
type Group struct {
	Name, Description string
	Endpoints         []Endpoint
}

// Groups lists the operations of the description as its tags order them.
func Groups() ([]Group, error) {
	v, err := docs()
	if err != nil {
		return nil, err
	}
	out := make([]Group, len(v.Groups))
	for i, g := range v.Groups {
		out[i] = Group(g)
	}
	return out, nil
}

func (a *API) getDocs(c echo.Context) error {
	if a.o.DocsPage != nil {
		return a.o.DocsPage(c)
	}
	v, err := docs()
	if err != nil {
		return err
	}
	page, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return fmt.Errorf("docs page: %w", err)
	}
	return respond.Page(c, http.StatusOK, templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		return page.Execute(w, v)
	}))
}

const docsPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>API · {{.Title}}</title></head>
<body>
<header><h1>The API of {{.Title}}</h1><p>{{.Summary}} <a href="/api/openapi.yaml">openapi.yaml</a> · <a href="/">Overview</a></p></header>
<nav aria-label="Groups"><ul>{{range .Groups}}<li><a href="#{{.Name}}">{{.Name}}</a></li>{{end}}</ul></nav>
<main>
<p>{{.Description}}</p>
{{range .Groups}}
<section id="{{.Name}}"><h2>{{.Name}}</h2><p>{{.Description}}</p>
{{range .Endpoints}}
<article><h3><code>{{.Method}} {{.Path}}</code></h3><p>{{.Summary}}. Permission: <code>{{.Permission}}</code>.</p>
{{with .Description}}<p>{{.}}</p>{{end}}
{{with .Parameters}}<table><caption>Parameters</caption><thead><tr><th scope="col">Name</th><th scope="col">In</th><th scope="col">Required</th><th scope="col">What</th></tr></thead><tbody>
{{range .}}<tr><td><code>{{.Name}}</code></td><td>{{.In}}</td><td>{{if .Required}}yes{{else}}no{{end}}</td><td>{{.Description}}</td></tr>
{{end}}</tbody></table>{{end}}
</article>
{{end}}</section>
{{end}}
</main></body></html>
`
