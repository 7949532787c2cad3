/* Runs a fuzz target over the files of the folders given, without libFuzzer: the corpus as a test. */
#include "target.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void replay(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        exit(2);
    }
    size_t byte_count = (size_t)status.st_size;
    uint8_t *bytes = (uint8_t *)malloc(byte_count + 1);
    if (bytes == NULL || fread(bytes, 1, byte_count, file) != byte_count) {
        perror(path);
        exit(2);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(bytes, byte_count);
    free(bytes);
}

static size_t replay_folder(const char *folder)
{
    char path[4096];
    struct dirent **entries = NULL;
    size_t replayed = 0;
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) {
        perror(folder);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
            replay(path);
            replayed++;
        }
        free(entries[i]);
    }
    free(entries);
    return replayed;
}

int main(int argument_count, char **arguments)
{
    size_t replayed = 0;
    for (int i = 1; i < argument_count; i++)
        replayed += replay_folder(arguments[i]);
    printf("%zu inputs replayed\n", replayed);
    /* An empty corpus would test nothing. */
    return replayed == 0 ? 1 : 0;
}
