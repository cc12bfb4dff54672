// Says in what way a document breaks its schema, in words for who wrote the document.
// SPDX-License-Identifier: BSD-2-Clause
//
// A RELAX NG validator knows that no pattern fits, but not which one was meant. This walks the
// document and the schema side by side and reports the first difference: an attribute or element
// that is unknown, missing or given twice, a value that is not in a list, text out of place. It
// judges nothing: it runs only when the validator has refused the document.
#include "config/xml_private.h"

#include "base/mem.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

#define LIST_MAX 24 // attributes, or kinds of child, of one element

// The attributes and the child elements that the schema gives one element.
struct pattern {
    const xmlNode *decl; // <attribute> or <element>
    char *name;
    bool required, repeated;
};

struct patterns {
    struct pattern attributes[LIST_MAX], children[LIST_MAX];
    size_t attribute_count, child_count;
};

static bool is(const xmlNode *node, const char *name)
{
    return strcmp((const char *)node->name, name) == 0;
}

static void add(struct pattern *list, size_t *count, const xmlNode *decl, bool required,
                bool repeated)
{
    if (*count < LIST_MAX)
        list[(*count)++] =
            (struct pattern){decl, xml_attribute(xml_of(decl), "name"), required, repeated};
}

static void collect(const xmlNode *decl, bool required, bool repeated, struct patterns *out)
{
    for (const xmlNode *p = xml_element_from(decl->children); p; p = xml_element_from(p->next)) {
        if (is(p, "attribute"))
            add(out->attributes, &out->attribute_count, p, required, repeated);
        else if (is(p, "element"))
            add(out->children, &out->child_count, p, required, repeated);
        else
            collect(p, required && !is(p, "optional") && !is(p, "zeroOrMore"),
                    repeated || is(p, "zeroOrMore") || is(p, "oneOrMore"), out);
    }
}

static void forget(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->attribute_count; i++)
        free(patterns->attributes[i].name);
    for (size_t i = 0; i < patterns->child_count; i++)
        free(patterns->children[i].name);
}

static const struct pattern *find(const struct pattern *list, size_t count, const xmlChar *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, (const char *)name) == 0)
            return &list[i];
    return NULL;
}

// "a, b and c", each between the two marks.
static char *join(const struct pattern *list, size_t count, const char *left, const char *right)
{
    struct strbuf b = {0};
    strbuf_add(&b, "%s", count ? "" : "nothing");
    for (size_t i = 0; i < count; i++)
        strbuf_add(&b, "%s%s%s%s",
                   i == 0          ? ""
                   : i + 1 < count ? ", "
                                   : " and ",
                   left, list[i].name, right);
    return b.text;
}

// Reports a value that the schema's list of values does not have.
static bool explain_value(const xmlNode *node, const struct pattern *attribute, struct dv_err *err)
{
    const xmlNode *choice = xml_element_from(attribute->decl->children);
    if (!choice || !is(choice, "choice"))
        return false;
    DV_FREE char *value = xml_attribute(xml_of(node), attribute->name);
    xmlChar *otherwise = xmlGetProp(attribute->decl, (const xmlChar *)"otherwise");
    struct strbuf list = {0};
    bool found = false;
    for (const xmlNode *v = xml_element_from(choice->children); v; v = xml_element_from(v->next)) {
        xmlChar *text = xmlNodeGetContent(v);
        found |= strcmp((const char *)text, value) == 0;
        strbuf_add(&list, "%s%s", list.len ? ", " : "", (const char *)text);
        xmlFree(text);
    }
    if (!found && otherwise)
        xml_fail(xml_of(node), err, "%s \"%.64s\" %s", attribute->name, value,
                 (const char *)otherwise);
    else if (!found)
        xml_fail(xml_of(node), err, "%s \"%.64s\" is not one of: %s", attribute->name, value,
                 list.text);
    strbuf_free(&list);
    xmlFree(otherwise);
    return !found;
}

static bool explain_attributes(const xmlNode *node, const struct patterns *patterns,
                               struct dv_err *err)
{
    size_t count = patterns->attribute_count;
    for (const xmlAttr *a = node->properties; a; a = a->next) {
        const struct pattern *known = find(patterns->attributes, count, a->name);
        if (!known || a->ns) {
            DV_FREE char *names = join(patterns->attributes, count, "", "");
            xml_fail(xml_of(node), err, "attribute \"%.64s\" is not known here; it may have %s",
                     (const char *)a->name, names);
            return true;
        }
        if (explain_value(node, known, err))
            return true;
    }
    for (size_t i = 0; i < count; i++) {
        const struct pattern *p = &patterns->attributes[i];
        if (p->required && !xmlHasProp(node, (const xmlChar *)p->name)) {
            xml_fail(xml_of(node), err, "attribute \"%s\" is missing", p->name);
            return true;
        }
    }
    return false;
}

static bool explain_children(const xmlNode *node, const struct patterns *patterns,
                             struct dv_err *err)
{
    const struct xml_node *parent = xml_of(node);
    size_t count = patterns->child_count;
    for (const xmlNode *c = xml_element_from(node->children); c; c = xml_element_from(c->next)) {
        const struct pattern *known = find(patterns->children, count, c->name);
        if (!known || c->ns) {
            DV_FREE char *names = join(patterns->children, count, "<", ">");
            xml_fail(xml_of(c), err, "not known here; <%s> may have %s in it", xml_name(parent),
                     names);
            return true;
        }
        if (!known->repeated && c != node_of(xml_child(parent, known->name))) {
            xml_fail(xml_of(c), err, "given twice; <%s> may have one", xml_name(parent));
            return true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct pattern *p = &patterns->children[i];
        if (p->required && !xml_child(parent, p->name)) {
            xml_fail(parent, err, "<%s> is missing", p->name);
            return true;
        }
    }
    return false;
}

static bool explain_text(const xmlNode *node, struct dv_err *err)
{
    for (const xmlNode *c = node->children; c; c = c->next)
        if ((c->type == XML_TEXT_NODE && !xmlIsBlankNode(c)) || c->type == XML_ENTITY_REF_NODE) {
            const char *text = c->content ? (const char *)c->content : (const char *)c->name;
            text += strspn(text, " \t\r\n");
            xml_fail(xml_of(node), err, "text does not belong here: \"%.*s\"",
                     (int)strcspn(text, "\r\n"), text);
            return true;
        }
    return false;
}

static bool explain(const xmlNode *node, const xmlNode *decl, struct dv_err *err)
{
    struct patterns patterns = {0};
    collect(decl, true, false, &patterns);
    bool found = explain_attributes(node, &patterns, err) ||
                 explain_children(node, &patterns, err) || explain_text(node, err);
    for (const xmlNode *c = xml_element_from(node->children); c && !found;
         c = xml_element_from(c->next)) {
        const struct pattern *known = find(patterns.children, patterns.child_count, c->name);
        found = explain(c, known->decl, err);
    }
    forget(&patterns);
    return found;
}

bool xml_explain(const struct xml_doc *doc, const xmlDoc *schema, struct dv_err *err)
{
    const xmlNode *root = xmlDocGetRootElement(doc->tree);
    struct patterns start = {0};
    collect(xmlDocGetRootElement(schema), true, false, &start);
    const struct pattern *known = find(start.children, start.child_count, root->name);
    bool found = true;
    if (known && !root->ns) {
        found = explain(root, known->decl, err);
    } else if (known) {
        xml_fail(xml_of(root), err, "must not be in a namespace; take xmlns=\"%.80s\" out",
                 (const char *)root->ns->href);
    } else {
        DV_FREE char *names = join(start.children, start.child_count, "<", ">");
        xml_fail(xml_of(root), err, "the file must start with %s; is it the right one?", names);
    }
    forget(&start);
    return found;
}
