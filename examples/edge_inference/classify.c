/* Says which digit a picture shows: PGM files of 28 x 28 pixels. The network is in digits.o.

   cc -O2 -static classify.c digits.o -lm -o classify && ./classify digit_3.pgm
*/
#include "digits.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIXELS = 784 };

static int read_picture(const char *path, float *image)
{
    unsigned char grey[PIXELS];
    int width, height, most;
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    int good = fscanf(file, "P5 %d %d %d", &width, &height, &most) == 3 && width == 28 &&
               height == 28 && most == 255 && fgetc(file) != EOF &&
               fread(grey, 1, PIXELS, file) == PIXELS;
    fclose(file);
    for (int k = 0; good && k < PIXELS; k++)
        image[k] = (float)grey[k] / 255;
    return good;
}

int main(int count, char **words)
{
    float image[PIXELS], probabilities[10];
    void *workspace = malloc((size_t)digits_workspace_size());
    int failed = !workspace || count < 2;
    if (count < 2)
        fprintf(stderr, "usage: %s PICTURE.pgm...\n", words[0]);
    for (int k = 1; k < count; k++) {
        if (!read_picture(words[k], image)) {
            fprintf(stderr, "%s: no PGM picture of 28 x 28 pixels\n", words[k]);
            failed = 1;
            continue;
        }
        int32_t status = digits_run(image, probabilities, workspace);
        if (status != DIGITS_DONE) {
            fprintf(stderr, "%s\n", digits_message(status));
            return 1;
        }
        int best = 0;
        for (int digit = 1; digit < 10; digit++)
            if (probabilities[digit] > probabilities[best])
                best = digit;
        printf("%s: %d (%.6f)\n", words[k], best, (double)probabilities[best]);
    }
    free(workspace);
    return failed;
}
