/*
 * Any bytes as a configuration file: they give a configuration or one sentence, with
 * no leak and within the bounds.
 */
#include "input.h"
#include "mailvane/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct error err = {.text = ""};
    config_init(&config);
    if (config_parse(&config, "fuzz.yml", input_of(data, size), &err)) {
        bug_if(err.text[0] == '\0');
    } else {
        bug_if(config.series_domains < 1 || config.series_domains > 10000);
        bug_if(config.web_listen_count < 1 || config.web_listen_count > 16);
        bug_if(config.source_count > 64 || config.sending_ip_count > 1024);
        for (size_t i = 0; i < config.source_count; i++)
            bug_if(!config.sources[i].file || config.sources[i].line < 1);
    }
    config_release(&config);
    return 0;
}
