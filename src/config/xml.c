// Loading and validating XML by libxml2, and reading the tree.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/xml.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/xml_private.h"
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/relaxng.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// The first error of a parser or validator; those behind it are mostly its consequences.
struct first_error {
    bool seen;
    bool doctype; // refused by us
    int line;
    char text[256];
};

static void note_error(void *arg, xmlErrorPtr error)
{
    struct first_error *first = arg;
    if (first->seen || error->level < XML_ERR_ERROR)
        return;
    first->seen = true;
    first->line = error->line;
    dv_copy(first->text, sizeof(first->text), error->message ? error->message : "unknown error");
    first->text[strcspn(first->text, "\n")] = '\0';
}

// libxml2 hands a parser's errors to its own context, not to us.
static void note_parser_error(void *arg, xmlErrorPtr error)
{
    xmlParserCtxtPtr parser = arg;
    note_error(parser->_private, error);
}

// Called at <!DOCTYPE, before anything that it declares: entities are never defined, nor expanded.
static void refuse_doctype(void *arg, const xmlChar *name, const xmlChar *external,
                           const xmlChar *system)
{
    (void)name, (void)external, (void)system;
    xmlParserCtxtPtr parser = arg;
    struct first_error *first = parser->_private;
    first->doctype = true;
    first->line = parser->input->line;
    xmlStopParser(parser);
}

// A place in the text of a document that is known to be well-formed and to have no DOCTYPE.
struct scan {
    const char *at;
    long line;
};

static void skip_past(struct scan *scan, const char *mark)
{
    const char *found = strstr(scan->at, mark);
    const char *end = found ? found + strlen(mark) : scan->at + strlen(scan->at);
    for (; scan->at < end; scan->at++)
        scan->line += *scan->at == '\n';
}

// The line of the next start tag, 0 at the end.
static long next_start_tag(struct scan *scan)
{
    for (;;) {
        skip_past(scan, "<");
        if (*scan->at == '\0')
            return 0;
        if (strncmp(scan->at, "!--", 3) == 0)
            skip_past(scan, "-->");
        else if (strncmp(scan->at, "![CDATA[", 8) == 0)
            skip_past(scan, "]]>");
        else if (*scan->at == '?')
            skip_past(scan, "?>");
        else if (*scan->at != '/')
            return scan->line;
    }
}

// libxml2 notes where a start tag ends; people look for where it begins. The elements of the tree
// and the start tags of the text come in the same order.
static void fix_lines(xmlNodePtr node, struct scan *scan)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        long line = next_start_tag(scan);
        if (line > 0 && line < UINT16_MAX)
            node->line = (unsigned short)line;
        fix_lines(node->children, scan);
    }
}

// text ends with a NUL behind its len bytes.
static xmlDocPtr parse(const char *text, size_t len, struct first_error *first)
{
    xmlParserCtxtPtr parser = xmlCreateMemoryParserCtxt(text, (int)len);
    if (!parser)
        return NULL;
    xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOCDATA);
    parser->_private = first;
    parser->sax->serror = note_parser_error;
    parser->sax->internalSubset = refuse_doctype;
    xmlParseDocument(parser);
    xmlDocPtr tree = parser->myDoc;
    if (!parser->wellFormed || first->doctype) {
        xmlFreeDoc(tree);
        tree = NULL;
    } else {
        fix_lines(tree->children, &(struct scan){text, 1});
    }
    parser->myDoc = NULL;
    xmlFreeParserCtxt(parser);
    return tree;
}

static xmlDocPtr parse_file(const char *path, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    size_t len;
    if (file_read(path, XML_MAX_BYTES, &text, &len, err) < 0)
        return NULL;
    if (len == 0) {
        dv_fail(err, DV_INVALID, "%s: the file is empty", path);
        return NULL;
    }
    struct first_error first = {0};
    xmlDocPtr tree = parse(text, len, &first);
    if (!tree && first.doctype)
        dv_fail(err, DV_INVALID, "%s:%d: a DOCTYPE is not allowed; take it out", path, first.line);
    else if (!tree)
        dv_fail(err, DV_INVALID, "%s:%d: not well-formed XML: %s", path, first.line, first.text);
    return tree;
}

// 0 when the document follows the schema, 1 when not, with what libxml2 says first; -1 for a
// schema that is wrong itself.
static int validate(xmlDocPtr tree, xmlDocPtr schema_tree, struct first_error *first)
{
    int result = -1;
    xmlRelaxNGParserCtxtPtr parser = xmlRelaxNGNewDocParserCtxt(schema_tree);
    xmlRelaxNGSetParserStructuredErrors(parser, note_error, first);
    xmlRelaxNGPtr schema = xmlRelaxNGParse(parser);
    xmlRelaxNGValidCtxtPtr validator = schema ? xmlRelaxNGNewValidCtxt(schema) : NULL;
    if (validator) {
        xmlRelaxNGSetValidStructuredErrors(validator, note_error, first);
        result = xmlRelaxNGValidateDoc(validator, tree);
    }
    xmlRelaxNGFreeValidCtxt(validator);
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
    return result;
}

static int check(const struct xml_doc *doc, const struct xml_schema *schema, struct dv_err *err)
{
    struct first_error first = {0};
    xmlDocPtr schema_tree = parse((const char *)schema->text, schema->len, &first);
    int result = schema_tree ? validate(doc->tree, schema_tree, &first) : -1;
    if (result < 0)
        dv_fail(err, DV_INTERNAL, "the schema of %s is wrong in line %d: %s", schema->name,
                first.line, first.text);
    else if (result > 0 && !xml_explain(doc, schema_tree, err))
        dv_fail(err, DV_INVALID, "%s:%d: %s", doc->path, first.line, first.text);
    xmlFreeDoc(schema_tree);
    return result ? -1 : 0;
}

struct xml_doc *xml_load(const char *path, const struct xml_schema *schema, struct dv_err *err)
{
    xmlDocPtr tree = parse_file(path, err);
    if (!tree)
        return NULL;
    struct xml_doc *doc = dv_calloc(1, sizeof(*doc));
    doc->path = dv_strdup(path);
    doc->tree = tree;
    tree->_private = doc;
    if (check(doc, schema, err) < 0) {
        xml_free(doc);
        return NULL;
    }
    return doc;
}

void xml_free(struct xml_doc *doc)
{
    if (!doc)
        return;
    xmlFreeDoc(doc->tree);
    free(doc->path);
    free(doc);
}

const xmlNode *xml_element_from(const xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

const struct xml_node *xml_root(const struct xml_doc *doc)
{
    return xml_of(xmlDocGetRootElement(doc->tree));
}

static const xmlNode *named_from(const xmlNode *node, const char *name)
{
    node = xml_element_from(node);
    while (node && strcmp((const char *)node->name, name) != 0)
        node = xml_element_from(node->next);
    return node;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
    return xml_of(named_from(node_of(node)->children, name));
}

const struct xml_node *xml_next(const struct xml_node *node)
{
    return xml_of(named_from(node_of(node)->next, xml_name(node)));
}

const char *xml_name(const struct xml_node *node)
{
    return (const char *)node_of(node)->name;
}

char *xml_attribute(const struct xml_node *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node_of(node), (const xmlChar *)name);
    char *copy = dv_strdup((const char *)value);
    xmlFree(value);
    return copy;
}

const char *xml_path(const struct xml_node *node)
{
    const struct xml_doc *doc = node_of(node)->doc->_private;
    return doc->path;
}

// The attribute that tells elements of one name apart, for a person.
static void add_identity(struct strbuf *b, const struct xml_node *node)
{
    static const char *const identities[] = {"name", "index", "user", "address"};
    for (size_t i = 0; i < DV_COUNT(identities); i++) {
        DV_FREE char *value = xml_attribute(node, identities[i]);
        if (value) {
            strbuf_add(b, " %s=\"%.64s\"", identities[i], value);
            return;
        }
    }
}

int xml_fail(const struct xml_node *node, struct dv_err *err, const char *fmt, ...)
{
    struct strbuf b = {0};
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    strbuf_add(&b, "%s:%ld: <%s", xml_path(node), xmlGetLineNo(node_of(node)), xml_name(node));
    add_identity(&b, node);
    dv_fail(err, DV_INVALID, "%s>: %s", b.text, text);
    strbuf_free(&b);
    return -1;
}
