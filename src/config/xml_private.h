// What the files of this folder know of libxml2's documents.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_XML_PRIVATE_H
#define DVSAN_CONFIG_XML_PRIVATE_H

#include "config/xml.h"
#include <libxml/tree.h>

struct xml_doc {
    char *path;
    xmlDocPtr tree; // its _private points back here
};

// struct xml_node is libxml2's node under a name that the rest may know.
static inline const struct xml_node *xml_of(const xmlNode *node)
{
    return (const struct xml_node *)node;
}

static inline const xmlNode *node_of(const struct xml_node *node)
{
    return (const xmlNode *)node;
}

// The first element at or behind a node, or NULL.
const xmlNode *xml_element_from(const xmlNode *node);

// Says in *err what in the document breaks the schema, and returns true; false when it finds
// nothing, which leaves it to the validator's own words.
bool xml_explain(const struct xml_doc *doc, const xmlDoc *schema, struct dv_err *err);

#endif
