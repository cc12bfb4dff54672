// Validated XML documents: elements and attributes, and errors that name file, line and element.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_XML_H
#define DVSAN_CONFIG_XML_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

// A RELAX NG schema in XML syntax, as text. Its attributes and elements stand where they are
// meant, without <define> and <ref>: then it can be explained in what way a file breaks it.
struct xml_schema {
    const char *name;
    const unsigned char *text; // ends with a NUL
    size_t len;                // without it
};
extern const struct xml_schema xml_schema_unit, xml_schema_cms; // tgt-configs/*.rng

#define XML_MAX_BYTES (1 << 20)

struct xml_doc;
struct xml_node; // an element; lives as long as its document

// Reads a file of at most XML_MAX_BYTES. It may not have a DOCTYPE, so there are no entities but
// XML's five, and nothing is read from elsewhere. NULL with one sentence, such as
// unit.xml:12: <medium name="fast">: attribute "size" is missing
struct xml_doc *xml_load(const char *path, const struct xml_schema *schema, struct dv_err *err);
void xml_free(struct xml_doc *doc); // NULL is fine

const struct xml_node *xml_root(const struct xml_doc *doc);
// The first child element of that name, and the next sibling of the same name; or NULL.
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
const struct xml_node *xml_next(const struct xml_node *node);

const char *xml_name(const struct xml_node *node);
// A copy of an attribute's value, which the caller frees; NULL when the element has none such.
char *xml_attribute(const struct xml_node *node, const char *name);
// The path of the file that the element is in, as xml_load was given it.
const char *xml_path(const struct xml_node *node);

// dv_fail with DV_INVALID and `FILE:LINE: <ELEMENT name="NAME">: ` in front.
int xml_fail(const struct xml_node *node, struct dv_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
