# cmake -DOUT=FILE.c -DKIND=xml_schema -DHEADER=config/xml.h -DNAMES=a;b -DFILES=a.rng;b.rng -P embed.cmake
# Files as C arrays. Each becomes a `const struct KIND KIND_NAME`, so that a program never misses it.
set(text "// Made by embed.cmake.\n#include \"${HEADER}\"\n")
foreach(name file IN ZIP_LISTS NAMES FILES)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND text "\nstatic const unsigned char ${name}_text[] = {${bytes}0};\n"
        "const struct ${KIND} ${KIND}_${name} = {\"${name}\", ${name}_text, sizeof(${name}_text) - 1};\n")
endforeach()
file(WRITE ${OUT} "${text}")
