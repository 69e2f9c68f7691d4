<#import "template.ftl" as layout>
<@layout.emailLayout>
<@layout.action title=msg("glueVerifyTitle", realmName) text=msg("glueVerifyText", realmName) button=msg("glueVerifyButton") note=msg("glueVerifyNote") />
</@layout.emailLayout>
