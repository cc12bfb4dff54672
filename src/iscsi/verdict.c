// What an iSCSI answer means for the request: done, again, failed, or the session is over.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/verdict.h"

#include "base/mem.h"
#include <errno.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#define ASC_SPACE_ALLOCATION_FAILED 0x2707 // write protect, thin pool exhausted

struct sense verdict_sense(const uint8_t *data, size_t len)
{
    struct sense s = {0};
    if (len < 2)
        return s;
    size_t said = (size_t)data[0] << 8 | data[1], count = said < len - 2 ? said : len - 2;
    const uint8_t *d = data + 2;
    if (count < 1)
        return s;
    switch (d[0] & 0x7f) {
    case 0x70: // fixed; code and qualifier may be left out
        if (count < 3)
            return s;
        s.known = true;
        s.key = d[2] & 0x0f;
        if (count >= 14)
            s.ascq = d[12] << 8 | d[13];
        return s;
    case 0x72: // descriptors
        if (count < 4)
            return s;
        s.known = true;
        s.key = d[1] & 0x0f;
        s.ascq = d[2] << 8 | d[3];
        return s;
    default: // 0x71 and 0x73 are about an earlier command: this one was not carried out
        return s;
    }
}

static enum verdict of_sense(const struct sense *sense, int *error)
{
    *error = EIO;
    switch (sense->known ? sense->key : SCSI_SENSE_NO_SENSE) {
    case SCSI_SENSE_RECOVERED_ERROR:
        *error = 0;
        return VERDICT_DONE;
    case SCSI_SENSE_UNIT_ATTENTION:
    case SCSI_SENSE_COMMAND_ABORTED:
        return VERDICT_AGAIN;
    case SCSI_SENSE_NOT_READY: // tgtd answers this while it re-reads a size
        return VERDICT_LATER;
    case SCSI_SENSE_DATA_PROTECTION:
        *error = sense->ascq == ASC_SPACE_ALLOCATION_FAILED ? ENOSPC : EPERM;
        return VERDICT_FAILED;
    case SCSI_SENSE_ILLEGAL_REQUEST:
        if (sense->ascq == SCSI_SENSE_ASCQ_LOGICAL_UNIT_NOT_SUPPORTED)
            return VERDICT_LOST;
        *error = sense->ascq == SCSI_SENSE_ASCQ_LBA_OUT_OF_RANGE ? ENOSPC : EINVAL;
        return VERDICT_FAILED;
    default: // also a failure that does not say what failed
        return VERDICT_FAILED;
    }
}

enum verdict verdict_of(int status, const struct sense *sense, int *error)
{
    enum verdict v;
    *error = 0;
    switch (status) {
    case SCSI_STATUS_GOOD:
        return VERDICT_DONE;
    case SCSI_STATUS_CHECK_CONDITION:
        v = of_sense(sense, error);
        if (v != VERDICT_FAILED)
            *error = 0;
        return v;
    case SCSI_STATUS_BUSY:
    case SCSI_STATUS_TASK_SET_FULL:
    case SCSI_STATUS_ACA_ACTIVE:
        return VERDICT_LATER;
    case SCSI_STATUS_TASK_ABORTED:
        return VERDICT_AGAIN;
    case SCSI_STATUS_RESERVATION_CONFLICT:
        *error = EPERM;
        return VERDICT_FAILED;
    case SCSI_STATUS_CANCELLED:
    case SCSI_STATUS_TIMEOUT:
    case SCSI_STATUS_ERROR:
        return VERDICT_LOST;
    default: // CONDITION MET, too: no command is sent that it could answer
        *error = EIO;
        return VERDICT_FAILED;
    }
}

static const struct login_status {
    unsigned status;
    enum leg_loss loss;
    const char *text;
} login_table[] = {
    {0x0200, LEG_LOSS_REFUSED, "initiator error"},
    {0x0201, LEG_LOSS_REFUSED, "authentication failure"},
    {0x0202, LEG_LOSS_REFUSED, "this initiator is not allowed"},
    {0x0203, LEG_LOSS_ABSENT, "target not found, or hidden from this initiator"},
    {0x0204, LEG_LOSS_ABSENT, "target removed"},
    {0x0205, LEG_LOSS_REFUSED, "unsupported protocol version"},
    {0x0206, LEG_LOSS_UNREACHABLE, "too many connections"},
    {0x0207, LEG_LOSS_REFUSED, "missing parameter"},
    {0x0208, LEG_LOSS_UNREACHABLE, "cannot be included in the session"},
    {0x0209, LEG_LOSS_REFUSED, "session type not supported"},
    {0x020a, LEG_LOSS_UNREACHABLE, "session does not exist"},
    {0x020b, LEG_LOSS_REFUSED, "invalid request during login"},
    {0x0300, LEG_LOSS_UNREACHABLE, "target error"},
    {0x0301, LEG_LOSS_UNREACHABLE, "service unavailable"},
    {0x0302, LEG_LOSS_UNREACHABLE, "target out of resources"},
};

enum leg_loss verdict_of_login(unsigned status)
{
    for (size_t i = 0; i < DV_COUNT(login_table); i++)
        if (login_table[i].status == status)
            return login_table[i].loss;
    return status >> 8 == 2 ? LEG_LOSS_REFUSED : LEG_LOSS_UNREACHABLE;
}

const char *verdict_login_text(unsigned status)
{
    for (size_t i = 0; i < DV_COUNT(login_table); i++)
        if (login_table[i].status == status)
            return login_table[i].text;
    return "login failed";
}
