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
	problems, err := ReadFiles(fsys, func(name string, data []byte) (int, error) {
		ds, err := Parse(name, data)
		docs = append(docs, ds...)
		return len(ds), err
	})
	if err != nil {
		return nil, err
	}
	problems = append(problems, duplicates(docs)...)
	if err := asError(problems); err != nil {
		return nil, err
	}
	return docs, nil
}

// ReadFiles gives read each file below a folder of fsys that Load would read. read
// returns how many documents it found; its *ProblemsError is collected, any other
// error ends it.
func ReadFiles(fsys fs.FS, read func(name string, data []byte) (int, error)) ([]Problem, error) {
	var problems []Problem
	found := 0
	err := fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && strings.HasPrefix(e.Name(), "."):
			return skip(e)
		case e.IsDir() || !isDocument(p):
			return nil
		}
		n, err := readFile(fsys, p, read)
		if pe, ok := errors.AsType[*ProblemsError](err); ok {
			problems = append(problems, pe.Problems...)
			return nil
		}
		if found += n; found > MaxDocuments {
			problems = append(problems, Problem{File: p, Message: fmt.Sprintf("brings the folder to more than %d documents", MaxDocuments)})
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	return problems, nil
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

func readFile(fsys fs.FS, p string, read func(string, []byte) (int, error)) (int, error) {
	info, err := fs.Stat(fsys, p)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxFileBytes {
		return 0, asError([]Problem{{File: p, Message: fmt.Sprintf("is not a regular file of at most %d bytes", MaxFileBytes)}})
	}
	data, err := fs.ReadFile(fsys, p)
	if err != nil {
		return 0, err
	}
	return read(p, data)
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
