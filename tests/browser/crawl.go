package browser

import (
	"net/url"
	"slices"
	"strings"
)

// Page is one page to look at: an address, and the kind of page that it is.
type Page struct {
	Kind string // "/features/*"
	Path string // "/features/cart"
}

// Crawl follows the links of every page from the front page on and returns one
// page of each kind, in order of kind. A kind is a path with the names in it left
// open, so that every page that can be reached is looked at, and none twice.
func Crawl(t *Tab, base string) ([]Page, error) {
	found := map[string]string{"/": "/"}
	for queue := []string{"/"}; len(queue) > 0; queue = queue[1:] {
		if _, err := t.Go(base + queue[0]); err != nil {
			return nil, err
		}
		links, err := Eval[[]string](t, `[...document.querySelectorAll("a[href]:not([download])")].map(a => new URL(a.getAttribute("href"), location).href)`)
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			p, ok := pageOf(base, link)
			if _, known := found[p.Kind]; ok && !known {
				found[p.Kind] = p.Path
				queue = append(queue, p.Path)
			}
		}
	}
	var pages []Page
	for kind, path := range found {
		pages = append(pages, Page{kind, path})
	}
	slices.SortFunc(pages, func(a, b Page) int { return strings.Compare(a.Kind, b.Kind) })
	return pages, nil
}

// pageOf returns the page that a link of the site leads to; ok is false for what
// is no page: other sites, downloads, data.
func pageOf(base, link string) (p Page, ok bool) {
	rest, ours := strings.CutPrefix(link, base)
	u, err := url.Parse(rest)
	if !ours || err != nil || (strings.HasPrefix(u.Path, "/api/") && u.Path != "/api/docs") ||
		strings.HasPrefix(u.Path, "/static/") || strings.HasPrefix(u.Path, "/v1/") || u.Query().Has("format") {
		return p, false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case parts[0] == "access" && len(parts) > 2 && parts[2] != "end" && parts[2] != "new":
		parts[2] = "*" // /access/keys/*/revoke
	case len(parts) > 1 && parts[0] != "api" && parts[0] != "access":
		parts[1] = "*"
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if strings.HasSuffix(u.Path, "/document") || strings.HasSuffix(u.Path, "/openslo") || strings.Contains(parts[len(parts)-1], ".") {
		return p, false
	}
	return Page{Kind: "/" + strings.Join(parts, "/"), Path: path}, true
}
