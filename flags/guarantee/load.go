package guarantee

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"tidemark/flags"
)

// Load reads every document below a folder of fsys: the files that end in .yaml,
// .yml or .json, in order of path. Names that begin with a dot are passed over.
// Problems of all files are reported together as a *ProblemsError; two documents
// of one kind and name are a problem.
func Load(fsys fs.FS) ([]flags.Document, error) {
	var docs []flags.Document
	var problems []Problem
	err := fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && strings.HasPrefix(e.Name(), "."):
			return skip(e)
		case e.IsDir() || !isDocument(p):
			return nil
		}
		ds, err := loadFile(fsys, p)
		if pe, ok := errors.AsType[*ProblemsError](err); ok {
			problems = append(problems, pe.Problems...)
			return nil
		}
		docs = append(docs, ds...)
		if len(docs) > MaxDocuments {
			problems = append(problems, Problem{File: p, Message: fmt.Sprintf("brings the folder to more than %d documents", MaxDocuments)})
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	problems = append(problems, duplicates(docs)...)
	if err := asError(problems); err != nil {
		return nil, err
	}
	return docs, nil
}

func skip(e fs.DirEntry) error {
	if e.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func isDocument(p string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(p))
}

func loadFile(fsys fs.FS, p string) ([]flags.Document, error) {
	info, err := fs.Stat(fsys, p)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxFileBytes {
		return nil, asError([]Problem{{File: p, Message: fmt.Sprintf("is not a regular file of at most %d bytes", MaxFileBytes)}})
	}
	data, err := fs.ReadFile(fsys, p)
	if err != nil {
		return nil, err
	}
	return Parse(p, data)
}

// duplicates reports documents that share a kind and a name.
func duplicates(docs []flags.Document) []Problem {
	var problems []Problem
	first := map[flags.DocumentID]string{}
	for i := range docs {
		id := docs[i].ID()
		if at, ok := first[id]; ok {
			problems = append(problems, Problem{File: docs[i].Source, Field: "metadata.name", Message: fmt.Sprintf("%s is also written at %s; write each document once", id, at)})
			continue
		}
		first[id] = docs[i].Source
	}
	return problems
}
