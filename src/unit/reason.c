// Why the unit as a whole is degraded: the gravest reason, as dvsanUnitLastError tells it.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/reason.h"
#include "base/mem.h"

static void tell(char out[LAST_ERROR_ROOM], char *text)
{
    dv_copy(out, LAST_ERROR_ROOM, text);
    free(text);
}

void reason_of_intruders(const struct order *o, char out[LAST_ERROR_ROOM])
{
    out[0] = '\0';
    for (uint32_t i = 0; i < o->groups && !out[0]; i++)
        dv_copy(out, LAST_ERROR_ROOM, o->tgtds[i].intruder);
}

void reason_of_portals(const struct order *o, char out[LAST_ERROR_ROOM])
{
    out[0] = '\0';
    for (size_t i = 0; i < o->listener_count; i++)
        if (!o->listeners[i].closed) {
            tell(out, dv_printf("a tgtd may still listen at %s, port %u, which is not configured "
                                "any more: %s",
                                o->listeners[i].l.address, o->listeners[i].l.port,
                                o->listeners[i].err.text));
            return;
        }
    for (uint32_t i = 0; i < o->groups; i++)
        if (o->tgtds[i].there && o->tgtds[i].barred[0]) {
            tell(out, dv_printf("no host can log in to volumes of portal group %u: %s", i + 1,
                                o->tgtds[i].barred));
            return;
        }
    for (uint32_t i = 0; i < o->groups; i++)
        if (o->tgtds[i].there && !o->tgtds[i].portals_there) {
            tell(out, dv_printf("portal group %u is not served at all of its portals: %s", i + 1,
                                o->tgtds[i].portals_err.text));
            return;
        }
    for (uint32_t i = 0; i < o->groups; i++)
        if (o->tgtds[i].there && o->tgtds[i].other_portal[0]) {
            tell(out, dv_printf("the tgtd of portal group %u listens at %s, too, which nobody "
                                "configured, and its volumes can be reached there: close that "
                                "portal (tgtadm --mode portal --op delete), or configure it",
                                i + 1, o->tgtds[i].other_portal));
            return;
        }
}

void reason_of_unit(const char *unrecorded, const bool *there, const struct dv_err *errors,
                    uint32_t groups, const char *portals, char out[LAST_ERROR_ROOM])
{
    dv_copy(out, LAST_ERROR_ROOM, portals);
    if (unrecorded[0])
        tell(out, dv_printf("changes cannot be recorded: %s", unrecorded));
    for (uint32_t i = 0; i < groups && !unrecorded[0]; i++)
        if (!there[i]) {
            tell(out, dv_printf("nothing of portal group %u is served: %s", i + 1, errors[i].text));
            return;
        }
}
