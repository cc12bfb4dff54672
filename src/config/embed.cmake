# cmake -DOUT=FILE.c -DNAMES=a;b -DFILES=a.rng;b.rng -P embed.cmake: files as C arrays.
# Each becomes a `const struct xml_schema xml_schema_NAME`, so that a program never misses it.
set(text "// Made from the schemas in tgt-configs/ by embed.cmake.\n#include \"config/xml.h\"\n")
foreach(name file IN ZIP_LISTS NAMES FILES)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND text "\nstatic const unsigned char ${name}_text[] = {${bytes}0};\n"
        "const struct xml_schema xml_schema_${name} = {\"${name}\", ${name}_text, sizeof(${name}_text) - 1};\n")
endforeach()
file(WRITE ${OUT} "${text}")
