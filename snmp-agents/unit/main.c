// The program dvsan-unit; everything is in its library, so that tests can link it.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/unit_agent.h"

int main(int argc, char **argv)
{
    return unit_agent_main(argc, argv);
}
